"""What the data pool runs."""

import json

from pools.data.settings import ShardSettings
from pools.data.workloads import DataSettings, workloads
from pools.tickets import make_private_key, public_key_of


def test_one_service_per_shard(tmp_path) -> None:
    key = public_key_of(make_private_key())
    first, second = workloads(DataSettings((31450, 31451), key))
    assert (first.name, second.name, second.pool, second.service, second.resource) == ("data-0", "data-1", "data", "sql", "data-1")
    assert second.ports[0].number == 31451
    assert second.secrets == ()
    path = tmp_path / "data.json"
    path.write_text(second.files[0].content)
    read = ShardSettings.read(path)
    assert (read.number, read.port, read.ticket_public_key, read.data_folder) == (1, 31451, key, "{data}")
    assert json.loads(read.json()) == json.loads(second.files[0].content)
