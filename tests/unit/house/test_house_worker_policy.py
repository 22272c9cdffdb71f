"""A worker that starts beside a bad policy file."""

from pathlib import Path

import pytest

from schemas.errors import PolicyError
from schemas.policy_watch import kept_policy
from schemas.settings import Settings
from streams.factory import create_app
from streams.metrics import WorkerMetrics
from tests.support.policies import BAD, GOOD


def test_it_goes_on_with_the_one_that_the_workers_kept_or_does_not_start(tmp_path: Path) -> None:
    policy, data = tmp_path / "policy.yaml", tmp_path / "data"
    policy.write_bytes(BAD["a tag of a number"])
    settings = Settings(policy=policy, data_dir=data)
    with pytest.raises(PolicyError, match=f"^{policy}:8: not valid YAML: 'x' is no !!int$") as caught:
        create_app(settings)
    assert caught.value.exit_code == 2
    kept_policy(data).parent.mkdir(parents=True)
    kept_policy(data).write_bytes(GOOD)
    metrics = WorkerMetrics()
    create_app(settings, metrics)
    assert metrics.refused()
    policy.write_bytes(GOOD)
    create_app(settings, metrics)
    assert not metrics.refused()
