"""The manifest for Kubernetes: what its parts say of each other, and the schema of its objects."""

import pytest
import yaml

from autograder.grading.cluster import CERTIFICATE, KEY


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
        places = {option.partition("=")[2] for option in container["args"]}
        assert places == {f"{mount['mountPath']}/{file}" for file in (CERTIFICATE, KEY)}
    service = objects["grading"]["spec"]
    assert service["selector"] == found["grading-scheduler"]["metadata"]["labels"]
    command = found["grading-workers"]["spec"]["containers"][0]["command"]
    assert f"tls://grading:{service['ports'][0]['port']}" in command
    assert command[command.index("--memory-limit") + 1] == "0"


def test_every_object_follows_the_schema_of_kubernetes(objects):
    validator = pytest.importorskip(
        "kubernetes_validate", reason="no schema here: pip install kubernetes-validate"
    )
    for one in objects.values():
        validator.validate(one, validator.latest_version(), strict=True)
    broken = objects["grading"] | {"spec": {"ports": "8786"}}
    with pytest.raises(validator.ValidationError):
        validator.validate(broken, validator.latest_version(), strict=True)
