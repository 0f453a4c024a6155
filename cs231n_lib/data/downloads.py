"""Where data sets are looked for, and downloads that go on after an interruption.

A file of a *download* must be the official one, to the last byte: else it is refused, and fetched
again on demand. In a *folder that the user named*, whole records of any number are taken, with one
line that says so, and nothing is ever written over.
"""

import hashlib
import os
from pathlib import Path

FOLDER_VARIABLE = "CS231N_DATA"  # names the folder in which local data sets are looked for
CHUNK = 2**14  # bytes that a download writes at once, so that an interruption loses few


def named_folder(folder=None):
    """The folder that the user named, as argument or in $CS231N_DATA; None if there is none."""
    named = folder or os.environ.get(FOLDER_VARIABLE)
    try:
        return Path(named).expanduser() if named else None
    except RuntimeError:  # there is no such user, so this is a name like any other
        return Path(named)


def cache():
    """The folder for downloads."""
    import pooch

    return Path(pooch.os_cache("cs231n_lib"))


def digest(content):
    """SHA-256 of bytes or of a file, as hexadecimal digits."""
    if isinstance(content, Path):
        with open(content, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    return hashlib.sha256(content).hexdigest()


def fetch(url, checksum, folder, what, instead):
    """Download a file into `folder`, or finish its download; return its path.

    Raises:
        ConnectionError: when the download fails; what arrived is kept.
        ValueError: when what arrived is not the official file; it is deleted.
    """
    import pooch
    import requests

    folder.mkdir(parents=True, exist_ok=True)
    name = url.rpartition("/")[2]
    resume = _ResumingDownloader(folder / f"{name}.part", what)
    try:
        return Path(pooch.retrieve(url, checksum, name, folder, downloader=resume))
    except requests.exceptions.RequestException as error:
        raise ConnectionError(
            f"could not download {what} from {url} ({type(error).__name__}); what arrived is kept, "
            f"so call again to continue; or download it elsewhere and {instead}"
        ) from error


def tell_size(what, folder, found, official):
    """Say in one line that a folder holds other numbers of records than the official files."""
    if found != official:
        numbers, expected = (f"{a:,} training and {b:,} test" for a, b in (found, official))
        print(f"{what} in {folder} has {numbers} records; the official files have {expected}.")


class _ResumingDownloader:
    """A downloader for pooch that keeps what arrived in `part` and asks only for the rest."""

    def __init__(self, part, what):
        self.part, self.what = part, what

    def __call__(self, url, output_file, pooch):
        import requests

        have = self.part.stat().st_size if self.part.exists() else 0
        headers = {"Range": f"bytes={have}-", "Accept-Encoding": "identity"}
        with requests.get(url, headers=headers, stream=True, timeout=30) as response:
            if response.status_code != requests.codes.requested_range_not_satisfiable:
                response.raise_for_status()
                continued = response.status_code == requests.codes.partial_content
                self._write(response, have if continued else 0)
        os.replace(self.part, output_file)  # pooch compares the hash next, and deletes a bad file

    def _write(self, response, have):
        from tqdm.auto import tqdm

        size = have + int(response.headers.get("Content-Length", 0))
        look = {"desc": self.what, "unit": "B", "unit_scale": True, "delay": 3, "leave": False}
        with (
            open(self.part, "ab" if have else "wb") as file,
            tqdm(total=size, initial=have, **look) as bar,
        ):
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
