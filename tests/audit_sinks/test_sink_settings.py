"""The settings of sinks: each mistake is refused at the start, by the name of the key."""

from collections.abc import Mapping

import pytest

from daypass.config import ConfigurationError, load_config

_KEY = 'key_file = "k"\nbucket = "logs"\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('type = "kafka"', "needs type: syslog, webhook, s3 or stdout"),
        ('url = "https://x.example"', "needs type"),
        ('type = "webhook"', "of type webhook needs url"),
        ('type = "webhook"\nurl = "https://x.example"\nuri = "x"', "has an unknown key: uri. It accepts name, type"),
        ('type = "webhook"\nurl = "http://x.example"', "http:// is for a loopback address only. Use https://"),
        ('type = "webhook"\nurl = "https://user:pw@x.example"', "without a user, a password and a fragment"),
        ('type = "webhook"\nurl = "https://x.example"\nbatch_events = 0', "batch_events must be a whole number from 1"),
        ('type = "webhook"\nurl = "https://x.example"\nbatch_events = true', "batch_events must be a whole number"),
        ('type = "webhook"\nurl = "https://x.example"\nformat = "cef"', "format must be cloudtrail or ocsf, not 'cef'"),
        ('type = "webhook"\nurl = "https://x.example"\nname = "A b"', "a name has at most 32 small letters"),
        ('type = "webhook"\nurl = "https://x.example"\nclient_key = "k"', "must be set together"),
        ('type = "webhook"\nurl = "http://127.0.0.1"\nca_bundle = "k"', "need a URL with TLS"),
        ('type = "webhook"\nurl = "https://x.example"\nauthorization = "Splunk"', "authorization needs token_file"),
        ('type = "syslog"\nurl = "syslog://x.example"', "url must be syslog+tls://HOST:PORT"),
        ('type = "syslog"\nurl = "syslog+tcp://x.example:601"', "is for a loopback address only. Use syslog+tls://"),
        ('type = "syslog"\nurl = "syslog+tls://x.example:0"', "url must be"),
        ('type = "syslog"\nurl = "syslog+tls://x.example"\nmessage_bytes = 2047', "from 2048 to 65536"),
        ('type = "s3"\nbucket = "logs"', "needs key_file or profile, and not both"),
        (f'type = "s3"\n{_KEY}profile = "p"', "needs key_file or profile, and not both"),
        (f'type = "s3"\n{_KEY}url = "http://store.example"', "is for a loopback address only"),
        (f'type = "s3"\n{_KEY}prefix = "/a"', "without a final slash"),
        ('type = "s3"\nbucket = "A"\nkey_file = "k"', "bucket must be the name of a bucket"),
        ('type = "stdout"\nurl = "x"', "has an unknown key: url"),
    ],
)
def test_a_wrong_table_is_refused(text: str, reason: str) -> None:
    """The message names the key and the valid values."""
    with pytest.raises(ConfigurationError) as refused:
        load_config({}, {}, f"[[audit_sink]]\n{text}")
    assert reason in str(refused.value)


@pytest.mark.parametrize("text", ["audit_sink = 1", "[audit_sink]\ntype = 'stdout'", "audit_sink = ['x']"])
def test_a_sink_must_be_a_table_of_an_array(text: str) -> None:
    """The message shows the form."""
    with pytest.raises(ConfigurationError, match=r"must be tables: \[\[audit_sink\]\]"):
        load_config({}, {}, text)


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"DAYPASS_AUDIT_SINKS": "kafka://x"}, "each entry must be syslog"),
        ({"DAYPASS_AUDIT_SINKS": "http://x.example"}, "is for a loopback address only"),
        ({"DAYPASS_AUDIT_SINK": "stdout"}, "Did you mean DAYPASS_AUDIT_SINKS?"),
    ],
)
def test_a_wrong_variable_is_refused(environment: Mapping[str, str], reason: str) -> None:
    """The short form has few sinks, and names the table for all others."""
    with pytest.raises(ConfigurationError) as refused:
        load_config({}, environment)
    assert reason in str(refused.value)


def test_both_forms_are_combined() -> None:
    """Sinks of the same type get a number in the short form."""
    urls = "syslog+tls://logs.example.com:6514, https://a.example/x,https://b.example/x"
    config = load_config({}, {"DAYPASS_AUDIT_SINKS": urls}, '[[audit_sink]]\nname = "out"\ntype = "stdout"\n')
    assert [sink.name for sink in config.sinks] == ["syslog", "webhook", "webhook-2", "out"]


def test_two_sinks_must_have_two_names() -> None:
    """A name is the sink's place in the spool, and its label in metrics."""
    with pytest.raises(ConfigurationError, match="two audit sinks have the name stdout"):
        load_config({}, {"DAYPASS_AUDIT_SINKS": "stdout"}, '[[audit_sink]]\ntype = "stdout"\n')


def test_a_required_log_needs_a_file_or_a_sink() -> None:
    """The spool is a record too, because it is on this machine's disk."""
    settings = {"audit_log": "none", "audit_log_required": True}
    with pytest.raises(ConfigurationError, match="audit_log_required cannot be true"):
        load_config(settings, {})
    load_config(settings, {"DAYPASS_AUDIT_SINKS": "stdout"})
