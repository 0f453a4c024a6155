"""The manifest for Kubernetes: what its parts say of each other, and the schema of its objects."""

import shlex

import pytest
import yaml

pytest.importorskip("dask", reason="the extra `cluster` is not installed")
from autograder.grading import cluster
from autograder.grading.cluster import CERTIFICATE, KEY, ClusterError, session, write_certificates


@pytest.fixture
def objects(request):
    """The objects of the manifest, by name."""
    text = (request.config.rootpath / "docs" / "kubernetes.yaml").read_text()
    return {one["metadata"]["name"]: one for one in yaml.safe_load_all(text)}


def pods(objects):
    """The pods that deployments make, by the deployment's name."""
    return {
        name: one["spec"]["template"]
        for name, one in objects.items()
        if one["kind"] == "Deployment"
    }


def test_workers_find_the_scheduler_and_everything_is_encrypted(objects):
    found = pods(objects)
    for name, pod in found.items():
        labels = pod["metadata"]["labels"]
        assert objects[name]["spec"]["selector"]["matchLabels"] == labels
        (container,), volumes = pod["spec"]["containers"], pod["spec"]["volumes"]
        (mount,) = container["volumeMounts"]
        assert [volume["name"] for volume in volumes] == [mount["name"]]
        assert volumes[0]["secret"]["defaultMode"] & 0o077 == 0
        assert {one["name"]: one["value"] for one in container["env"]} == cluster.variables()
        places = {option.partition("=")[2] for option in container["args"]}
        assert places == {f"{mount['mountPath']}/{file}" for file in (CERTIFICATE, KEY)}
    service = objects["grading"]["spec"]
    assert service["selector"] == found["grading-scheduler"]["metadata"]["labels"]
    command = found["grading-workers"]["spec"]["containers"][0]["command"]
    assert f"tls://grading:{service['ports'][0]['port']}" in command
    assert command[command.index("--memory-limit") + 1] == "0"


def test_the_page_of_scale_sets_the_variables_that_a_cluster_here_has(request):
    text = (request.config.rootpath / "docs" / "scale.md").read_text()
    exported = next(line for line in text.splitlines() if line.startswith("export "))
    said = dict(word.split("=") for word in exported.partition("#")[0].split()[1:])
    assert said == cluster.variables()


def test_every_object_follows_the_schema_of_kubernetes(objects):
    validator = pytest.importorskip(
        "kubernetes_validate", reason="no schema here: pip install kubernetes-validate"
    )
    for one in objects.values():
        validator.validate(one, validator.latest_version(), strict=True)
    broken = objects["grading"] | {"spec": {"ports": "8786"}}
    with pytest.raises(validator.ValidationError):
        validator.validate(broken, validator.latest_version(), strict=True)


# ---------------------------------------------------------------------------------- kubectl


def kubectl(tmp_path, monkeypatch, does):
    """Put a kubectl on the path that does this, and certificates into a folder; returns that."""
    command = tmp_path / "kubectl"
    asked = shlex.quote(str(tmp_path / "asked"))
    command.write_text(f'#!/bin/sh\necho "$@" > {asked}\n{does}\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    write_certificates(tmp_path / "certificates")
    return tmp_path / "certificates"


def test_the_scheduler_is_reached_through_kubectl_which_ends_with_it(
    tmp_path, monkeypatch, objects
):
    forwards = "echo 'Forwarding from 127.0.0.1:40123 -> 8786'\ntrap 'exit 0' TERM\nsleep 9 & wait"
    certificates = kubectl(tmp_path, monkeypatch, forwards)
    addresses = []

    class Client:
        def __init__(self, address, *, security, **options):
            assert security.require_encryption
            addresses.append(address)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

    monkeypatch.setattr(cluster, "Client", Client)
    with session("kubernetes", certificates) as connect:
        for _ in range(2):  # a lost connection is made anew
            with connect() as client:
                assert isinstance(client, Client)
    assert addresses == ["tls://127.0.0.1:40123"] * 2
    kind, name = (tmp_path / "asked").read_text().split()[1].split("/")
    (port,) = objects[name]["spec"]["ports"]
    assert (kind, objects[name]["kind"]) == ("service", "Service")
    assert (tmp_path / "asked").read_text().split()[2] == f":{port['port']}"


def test_what_kubectl_refuses_is_one_line(tmp_path, monkeypatch):
    refuses = "echo 'error: services \"grading\" not found' >&2; exit 1"
    certificates = kubectl(tmp_path, monkeypatch, refuses)
    with (
        session("kubernetes", certificates) as connect,
        pytest.raises(OSError, match='kubectl: error: services "grading" not found') as raised,
        connect(),
    ):
        pass
    assert "\n" not in str(raised.value)


def test_without_kubectl_or_certificates_one_line_says_so(tmp_path, monkeypatch):
    with pytest.raises(ClusterError, match="--certificates FOLDER"), session("kubernetes"):
        pass
    monkeypatch.setenv("PATH", str(tmp_path))
    write_certificates(tmp_path / "certificates")
    with (
        pytest.raises(ClusterError, match="There is no kubectl here"),
        session("kubernetes", tmp_path / "certificates"),
    ):
        pass
