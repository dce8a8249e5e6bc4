"""MQTT.js against mosquitto, as docs/services.md says."""
import certs
import daemons
import pytest
from node import node, node_text
from recipes import gateway_words, module_text


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


@pytest.mark.plain_only("the URL of the page is ws://")
def test_mqtt_of_the_page(gateway, broker):
    """The page's own lines make a client that connects."""
    gw = gateway(argv=gateway_words("MQTT", broker))
    node_text(module_text("MQTT", gw) + "await client.endAsync();")
    gw.wait_log("session ended")


def test_mqtt_over_tls(gateway, tmp_path):
    """A broker that speaks TLS and lets nobody in without a certificate."""
    authority = certs.run_authority()
    server, client = authority.issue("broker", names=("DNS:broker.example",)), authority.issue("gateway", names=())
    server.key.chmod(0o644)  # it is no longer root when it reads it
    keys = {"cafile": authority.certificate, "certfile": server.certificate, "keyfile": server.key}
    text = "".join(f"{key} {value}\n" for key, value in keys.items()) + "require_certificate true\n"
    files = {"ca.pem": authority.certificate, "client.pem": client.certificate, "client.key": client.key}
    with daemons.mosquitto(text) as broker:
        words = gateway_words("A service that speaks TLS", broker)
        for name, path in files.items():
            words = [word.replace(f"={name}", f"={path}") for word in words]
        gw = gateway(argv=words)
        node("mqtt.mjs", gw.url, 5)
        stranger = gateway(argv=words[: next(i for i, word in enumerate(words) if "tls_cert" in word) - 1])
        with stranger.ws() as ws:  # TLS 1.3 is up before the broker sees that there is no certificate
            ws.recv_close(1011, "the service's alert: certificate required")
