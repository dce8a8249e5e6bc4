"""MQTT.js against mosquitto, as docs/services.md says."""
import daemons
import pytest
from node import node
from recipes import gateway_words


@pytest.fixture(scope="module")
def broker():
    with daemons.mosquitto() as it:
        yield it


@pytest.mark.parametrize("version", [3, 4, 5])
def test_mqtt(gateway, broker, version):
    """Each quality of service, 256 KiB at a time, order, what is retained, and whose last will is published."""
    gw = gateway(argv=gateway_words("MQTT", broker))
    node("mqtt.mjs", f"{gw.url}/mqtt", version)
    received = [gw.wait_log("session ended", n=n)["code_received"] for n in range(1, 6)]
    assert sorted(code in (1000, 1005) for code in received) == [False, True, True, True, True], received
