"""TLS where something has taken the place of `ssl.SSLContext`: gevent, which replaces threads too, and truststore."""

from __future__ import annotations

import pytest

from pytest_netmocks.encryption.session import BASE, CALLBACK, ServerContext

REPLACE = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    "truststore": "import truststore; truststore.inject_into_ssl()",
}

SUITE = """
import ftplib, io, smtplib
import pytest, requests, websocket


def fetch(server, **options):
    return requests.get(f"https://localhost:{server.port}/", timeout=10, **options)


def test_http(http_server):
    http_server.when("GET", "/").reply(text="plain")
    assert requests.get(http_server.url, timeout=10).text == "plain"


def test_https(https_server):
    https_server.when("GET", "/").reply(text="hello")
    assert fetch(https_server, verify=https_server.ca.cert_file).text == "hello"
    with pytest.raises(requests.exceptions.SSLError):
        fetch(https_server)
    https_server.wait_for(lambda s: not s.open_connections)
    assert https_server.connections[1].tls.alert_received == "unknown_ca"


def test_old_versions_and_client_certificates(netmocks, tls_ca):
    server = netmocks.https(client_cert="required", max_version="TLSv1.2", tickets=False)
    server.when("GET", "/").reply(text="hello")
    mine = tls_ca.issue("alice")
    answer = fetch(server, verify=tls_ca.cert_file, cert=(mine.cert_file, mine.key_file))
    assert (answer.text, server.connections[0].tls.version) == ("hello", "TLSv1.2")


def test_smtp_and_starttls(smtp_server, smtps_server):
    with smtplib.SMTP("localhost", smtp_server.port, timeout=10) as client:
        client.starttls(context=smtp_server.client_context())
        client.sendmail("a@a.test", ["b@b.test"], "Subject: x\\r\\n\\r\\nhello")
    with smtplib.SMTP_SSL("localhost", smtps_server.port, timeout=10, context=smtps_server.client_context()) as client:
        client.sendmail("a@a.test", ["b@b.test"], "Subject: x\\r\\n\\r\\nhello")
    assert smtp_server.messages[0].envelope.tls
    assert smtps_server.messages[0].envelope.tls


def test_ftps(ftps_server):
    client = ftplib.FTP_TLS(context=ftps_server.client_context())
    client.connect("127.0.0.1", ftps_server.port, timeout=10)
    client.login()
    client.prot_p()
    client.storbinary("STOR a", io.BytesIO(b"x" * 100_000))
    client.quit()
    assert (ftps_server.root / "a").stat().st_size == 100_000


def test_wss(wss_server):
    trust = {"ca_certs": wss_server.ca.cert_file}
    client = websocket.create_connection(f"wss://localhost:{wss_server.port}/", timeout=10, sslopt=trust)
    client.send("hello")
    assert client.recv() == "hello"
    client.close()


def test_proxies(netmocks, tls_server):
    for trust in (True, tls_server.client_context()):
        proxy = netmocks.tcp_proxy(tls_server, upstream_tls=trust)
        assert proxy.open_connections == []
"""


@pytest.mark.parametrize("by", REPLACE)
def test_every_server_speaks_tls_whatever_took_the_place_of_ssl(pytester: pytest.Pytester, by: str) -> None:
    pytester.makeconftest(REPLACE[by])
    pytester.makepyfile(SUITE)
    done = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:randomly")
    done.assert_outcomes(passed=7)


def test_the_private_names_of_ssl_are_where_they_were() -> None:
    """A canary: a server's contexts stand on names of the standard library's that are not public."""
    assert (BASE.__module__, BASE.__name__) == ("_ssl", "_SSLContext")
    assert hasattr(CALLBACK, "__set__")
    assert all(hasattr(vars(ServerContext)[name], "__set__") for name in ("options", "verify_mode", "minimum_version"))
