"""Doors of the Linux kernel that Python has no name for: namespaces, mounts, Landlock, seccomp.

Nothing but `ctypes`: a sandbox that forks from a warm process has to close these doors from the
inside, which no helper program such as bubblewrap can do for it. Every function raises OSError
with the kernel's own words when the kernel refuses.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Iterable

_libc = ctypes.CDLL(None, use_errno=True)
LARGE = 2 << 20  # bytes of a large page

# Name, number on x86_64, number on aarch64; "-" where the machine has no such call.
_NUMBERS = """
landlock_create_ruleset 444 444 | landlock_add_rule 445 445 | landlock_restrict_self 446 446
mount_setattr 442 442 | pivot_root 155 41
"""

# What a child never needs. Starting programs and processes: a thread is all it may start.
_DENIED = """
fork 57 - | vfork 58 - | execve 59 221 | execveat 322 281
ptrace 101 117 | process_vm_readv 310 270 | process_vm_writev 311 271 | kcmp 312 272
process_madvise 440 440 | process_mrelease 448 448 | pidfd_open 434 434 | pidfd_getfd 438 438
pidfd_send_signal 424 424 | rt_sigqueueinfo 129 138 | rt_tgsigqueueinfo 297 240 | tkill 200 130
mount 165 40 | umount2 166 39 | pivot_root 155 41 | chroot 161 51 | mount_setattr 442 442
open_tree 428 428 | move_mount 429 429 | fsopen 430 430 | fsconfig 431 431 | fsmount 432 432
fspick 433 433 | swapon 167 224 | swapoff 168 225 | quotactl 179 60 | quotactl_fd 443 443
name_to_handle_at 303 264 | open_by_handle_at 304 265 | fanotify_init 300 262 | acct 163 89
fanotify_mark 301 263 | mknod 133 - | mknodat 259 33
unshare 272 97 | setns 308 268 | sethostname 170 161 | setdomainname 171 162
setuid 105 146 | setgid 106 144 | setreuid 113 145 | setregid 114 143 | setresuid 117 147
setresgid 119 149 | setfsuid 122 151 | setfsgid 123 152 | setgroups 116 159 | capset 126 91
socket 41 198 | bind 49 200 | connect 42 203 | listen 50 201 | accept 43 202 | accept4 288 242
truncate 76 45 | shmget 29 194 | shmat 30 196 | shmctl 31 195 | shmdt 67 197
semget 64 190 | semop 65 193 | semctl 66 191 | semtimedop 220 192
msgget 68 186 | msgsnd 69 189 | msgrcv 70 188 | msgctl 71 187 | mq_open 240 180
mq_unlink 241 181 | memfd_create 319 279 | memfd_secret 447 447
io_setup 206 0 | io_submit 209 2 | io_uring_setup 425 425 | io_uring_enter 426 426
io_uring_register 427 427 | bpf 321 280 | userfaultfd 323 282 | perf_event_open 298 241
keyctl 250 219 | add_key 248 217 | request_key 249 218 | lookup_dcookie 212 18
kexec_load 246 104 | kexec_file_load 320 294 | init_module 175 105 | finit_module 313 273
delete_module 176 106 | create_module 174 - | query_module 178 - | get_kernel_syms 177 -
nfsservctl 180 42 | _sysctl 156 - | uselib 134 - | ustat 136 - | sysfs 139 - | reboot 169 142
syslog 103 116 | vhangup 153 58 | iopl 172 - | ioperm 173 - | modify_ldt 154 -
personality 135 92 | settimeofday 164 170 | clock_settime 227 112 | clock_adjtime 305 266
flock 73 32 | inotify_init 253 - | inotify_init1 294 26 | inotify_add_watch 254 27
adjtimex 159 171 | setpriority 141 140 | ioprio_set 251 30 | sched_setparam 142 118
sched_setscheduler 144 119 | sched_setattr 314 274 | migrate_pages 256 238 | move_pages 279 239
"""

# What changes modes, owners, times and attributes, of files that cannot be opened too: answered as
# if it were done, since who copies a file does it without a thought.
_PRETENDED = """
chmod 90 - | fchmod 91 52 | fchmodat 268 53
chown 92 - | fchown 93 55 | lchown 94 - | fchownat 260 54
utime 132 - | utimes 235 - | futimesat 261 - | utimensat 280 88
setxattr 188 5 | lsetxattr 189 6 | fsetxattr 190 7
removexattr 197 14 | lremovexattr 198 15 | fremovexattr 199 16
"""

_INSPECTED = """
clone 56 220 | clone3 435 435 | kill 62 129 | tgkill 234 131 | prctl 157 167
prlimit64 302 261 | sched_setaffinity 203 122 | fcntl 72 25 | socketpair 53 199 | ioctl 16 29
"""

# What fcntl may do: copy a descriptor, ask and set its flags, ask for locks, size a pipe. The rest
# leaves something on a file that others have open too, or has signals sent: locks, leases, news,
# hints, owners.
_OWN_DESCRIPTOR = (0, 1, 2, 3, 4, 5, 1030, 1031, 1032)
# What ioctl must not: the flags, version and project of a file that is only open for reading, and
# whom signals about a descriptor go to.
_LASTING = (0x40086602, 0x40046602, 0x40087602, 0x40047602, 0x401C5820, 0x8901, 0x8902)

_NEWEST = 450  # set_mempolicy_home_node; what came later is answered as if the kernel were older

_MACHINES = {"x86_64": (1, 0xC000003E), "aarch64": (2, 0xC00000B7)}  # column, AUDIT_ARCH


def supported() -> bool:
    """Whether the numbers of this machine's system calls are known here."""
    return platform.system() == "Linux" and platform.machine() in _MACHINES


def _table(text: str) -> dict[str, int]:
    column, _ = _MACHINES[platform.machine()]
    rows = [row.split() for line in text.strip().splitlines() for row in line.split("|")]
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}


def _call(name: str, *arguments) -> int:
    return _checked(name, _libc.syscall(_table(_NUMBERS)[name], *arguments))


def _checked(name: str, result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return result


# ------------------------------------------------------------------------------- namespaces

NEW_MOUNTS, NEW_CGROUPS, NEW_NAMES = 0x00020000, 0x02000000, 0x04000000
NEW_IPC, NEW_USERS, NEW_PROCESSES, NEW_NETWORK = 0x08000000, 0x10000000, 0x20000000, 0x40000000
_NEW_ANYTHING = 0x7E020080  # all of them, and time


def unshare(flags: int) -> None:
    """Give this process (its later children, for NEW_PROCESSES) namespaces of its own."""
    _checked("unshare", _libc.unshare(flags))


def enter_namespace(descriptor: int, kind: int) -> None:
    """Enter the namespace behind an open file of /proc/…/ns."""
    _checked("setns", _libc.setns(descriptor, kind))


def become_root_of_own_users() -> None:
    """After `unshare(NEW_USERS)` was asked for: map this user, alone, to root of the namespace."""
    user, group = os.geteuid(), os.getegid()
    unshare(NEW_USERS)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"0 {user} 1"),
        ("gid_map", f"0 {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


# ----------------------------------------------------------------------------------- mounts

_NOSUID, _NODEV, _BIND, _RECURSIVE, _PRIVATE, _DETACH = 2, 4, 0x1000, 0x4000, 0x40000, 2
_AT_HERE, _AT_RECURSIVE = -100, 0x8000


def _mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    texts = (os.fsencode(text) if text is not None else None for text in (source, target, kind))
    result = _libc.mount(*texts, ctypes.c_ulong(flags), options.encode() or None)
    try:
        _checked("mount", result)
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror} ({target})") from None


def keep_mounts_private() -> None:
    """Let no mount of this namespace show in another one, and the other way round."""
    _mount("none", "/", None, _RECURSIVE | _PRIVATE)


def mount_memory(target: str, size: int, files: int, mode: str = "755") -> None:
    """Mount an empty file system of at most `size` bytes and `files` files, kept in memory."""
    options = f"size={size},nr_inodes={files},mode={mode}"
    _mount("memory", target, "tmpfs", _NOSUID | _NODEV, options)


def mount_again(source: str, target: str) -> None:
    """Show the file or folder `source` at `target` as well."""
    _mount(source, target, None, _BIND | _RECURSIVE)


def make_read_only(target: str) -> None:
    """Forbid to write to `target` and whatever is mounted below it."""
    read_only, no_setuid = 1, 2
    attributes = struct.pack("QQQQ", read_only | no_setuid, 0, 0, 0)
    path = os.fsencode(target)
    _call("mount_setattr", _AT_HERE, path, _AT_RECURSIVE, attributes, len(attributes))


def make_root(folder: str) -> None:
    """Make `folder` (a mount point) the root of the file system; the old one is gone."""
    os.chdir(folder)
    _call("pivot_root", b".", b".")
    _checked("umount", _libc.umount2(b".", _DETACH))
    os.chdir("/")


# --------------------------------------------------------------------------------- the process

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_CAPBSET_DROP = 1, 4, 22, 24
_PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 36, 38, 47


def _prctl(option: int, *values: int) -> int:
    padded = (*values, 0, 0, 0, 0)[:4]
    return _libc.prctl(option, *(ctypes.c_ulong(value) for value in padded))


def die_with_parent() -> None:
    """Be killed when the thread that started this process ends."""
    _checked("prctl", _prctl(_PR_SET_PDEATHSIG, 9))


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    _checked("prctl", _prctl(_PR_SET_CHILD_SUBREAPER, 1))


def bar_capabilities() -> None:
    """Make sure that executing a file never gives a capability; for who still may say so."""
    capability = 0
    while _prctl(_PR_CAPBSET_DROP, capability) == 0:
        capability += 1
    clear_all = 4
    _prctl(_PR_CAP_AMBIENT, clear_all)


def drop_capabilities() -> None:
    """Give up every capability, and the right to gain any, for good."""
    version_3 = 0x20080522
    _checked("capset", _libc.capset(struct.pack("Ii", version_3, 0), bytes(24)))
    _checked("prctl", _prctl(_PR_SET_NO_NEW_PRIVS, 1))
    _checked("prctl", _prctl(_PR_SET_DUMPABLE, 0))


# ---------------------------------------------------------------------------------- Landlock

_READ = 0b1101  # execute, read a file, list a folder
_WRITE = 0b0001_0001_1011_0010  # write; make and remove files, folders and links
_ALL_OF_1 = 0b0001_1111_1111_1111
_REFER, _TRUNCATE, _DEVICE_CONTROL = 1 << 13, 1 << 14, 1 << 15
_OF_FILES = 0b0111 | _TRUNCATE | _DEVICE_CONTROL  # what a rule about a single file may name
_ABI_OF = {_REFER: 2, _TRUNCATE: 3, _DEVICE_CONTROL: 5}


def landlock_version() -> int:
    """Return the version of Landlock that the kernel speaks.

    Raises OSError when it has none, or when it is switched off.
    """
    return _call("landlock_create_ruleset", None, 0, 1)


def restrict_files(readable: Iterable[str], writable: Iterable[str]) -> None:
    """Let this process open nothing but what lies below these paths, and connect to nobody.

    Paths that are not there are left out. `drop_capabilities` must have come before.
    """
    version = landlock_version()
    newer = sum(right for right, since in _ABI_OF.items() if version >= since)
    handled = _ALL_OF_1 | newer
    every_port, everybody = 0b11, 0b11  # TCP; abstract sockets and signals
    attributes = struct.pack("QQQ", handled, every_port, everybody)
    size = 8 if version < 4 else 16 if version < 6 else 24
    rules = _call("landlock_create_ruleset", attributes, size, 0)
    try:
        for paths, rights in ((readable, _READ), (writable, (_READ | _WRITE | newer))):
            for path in paths:
                _allow(rules, path, rights & handled)
        _call("landlock_restrict_self", rules, 0)
    finally:
        os.close(rules)


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    try:
        if not os.path.isdir(path):
            rights &= _OF_FILES
        below_path = 1
        _call("landlock_add_rule", rules, below_path, struct.pack("=Qi", rights, descriptor), 0)
    finally:
        os.close(descriptor)


# ----------------------------------------------------------------------------------- seccomp

_LOAD, _EQUAL, _ABOVE, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_DONE, _EPERM, _ENOSYS = 0, 1, 38
_NUMBER, _ARCHITECTURE, _FIRST, _SECOND, _THIRD = 0, 4, 16, 24, 32  # in struct seccomp_data
_SIGKILL = 9
_THREAD = 0x00010000  # CLONE_THREAD
_LOCAL, _NO_STREAM = 1, 0xE  # AF_UNIX; the bits of every type but SOCK_STREAM


def make_large(address: int) -> None:
    """Put the `LARGE` bytes of this process's memory from an address on onto one page."""
    collapse = 25
    place, size = ctypes.c_void_p(address), ctypes.c_size_t(LARGE)
    _checked("madvise", _libc.madvise(place, size, collapse))


def filter_calls(process: int, sees_files: bool) -> None:
    """Refuse the system calls that a child never needs, in this thread and all it starts.

    Args:
        process: the number of this process, the only one that it may send signals to.
        sees_files: whether there are paths to files that are not its own and could be changed.
    """
    program = _filter(process, sees_files)
    instructions = ctypes.create_string_buffer(b"".join(program))
    length = struct.calcsize("HxxxxxxP")
    header = struct.pack("HxxxxxxP", len(program), ctypes.addressof(instructions))
    assert length == len(header) == 16
    buffer = ctypes.create_string_buffer(header)
    mode_filter = 2
    _checked("seccomp", _prctl(_PR_SET_SECCOMP, mode_filter, ctypes.addressof(buffer)))


def seccomp_available() -> None:
    """Raise OSError when the kernel cannot filter system calls."""
    get_mode = 21
    _checked("seccomp", _prctl(get_mode))


def _filter(process: int, sees_files: bool) -> list[bytes]:
    """The program: about architecture, age, denied calls, then calls that arguments decide."""
    _, architecture = _MACHINES[platform.machine()]
    refuse, missing, allow = _REFUSE | _EPERM, _REFUSE | _ENOSYS, _ALLOW
    inspected = _table(_INSPECTED)
    program = [
        _step(_LOAD, _ARCHITECTURE),
        *_unless(_EQUAL, architecture, _KILL),
        _step(_LOAD, _NUMBER),
        *_when(_ABOVE, _NEWEST, missing),  # the x32 calls too: their numbers start at 2**30
        *_when(_EQUAL, inspected["clone3"], missing),  # then the C library falls back to clone
    ]
    for number in _table(_DENIED).values():
        program += _when(_EQUAL, number, refuse)
    for number in _table(_PRETENDED).values() if sees_files else ():
        program += _when(_EQUAL, number, _REFUSE | _DONE)
    about_arguments = {
        "clone": [*_when(_ANY_BIT, _NEW_ANYTHING, refuse), *_unless(_ANY_BIT, _THREAD, refuse)],
        "kill": [*_unless(_EQUAL, process, refuse), *_end_itself(_SECOND)],
        "tgkill": [*_unless(_EQUAL, process, refuse), *_end_itself(_THIRD)],
        "prctl": _when(_EQUAL, _PR_SET_PDEATHSIG, refuse),
        "prlimit64": _unless(_EQUAL, 0, refuse),
        "sched_setaffinity": _unless(_EQUAL, 0, refuse),
        "fcntl": [_step(_LOAD, _SECOND), *_each(_OWN_DESCRIPTOR, allow), _step(_RETURN, refuse)],
        "ioctl": [_step(_LOAD, _SECOND), *_each(_LASTING, refuse)],
        # A pair of datagrams could be sent to any name; a pair of streams speaks with itself.
        "socketpair": [
            *_unless(_EQUAL, _LOCAL, refuse),
            _step(_LOAD, _SECOND),
            *_when(_ANY_BIT, _NO_STREAM, refuse),
        ],
    }
    for name, steps in about_arguments.items():
        body = [_step(_LOAD, _FIRST), *steps, _step(_RETURN, allow)]
        program += [_step(_EQUAL, inspected[name], 0, len(body)), *body]
    return [*program, _step(_RETURN, allow)]


def _end_itself(place: int) -> list[bytes]:
    """Let a process that sends itself SIGKILL have its way: the first of a namespace is immune."""
    return [_step(_LOAD, place), *_when(_EQUAL, _SIGKILL, _KILL)]


def _step(code: int, value: int, when: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("HBBI", code, when, otherwise, value)


def _when(test: int, value: int, answer: int) -> list[bytes]:
    return [_step(test, value, 0, 1), _step(_RETURN, answer)]


def _each(values: Iterable[int], answer: int) -> list[bytes]:
    return [step for value in values for step in _when(_EQUAL, value, answer)]


def _unless(test: int, value: int, answer: int) -> list[bytes]:
    return [_step(test, value, 1, 0), _step(_RETURN, answer)]
