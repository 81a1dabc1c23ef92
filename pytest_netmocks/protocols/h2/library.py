"""The library's part: h2 keeps the states of connection and streams, hpack their fields, hyperframe reads frames.

What it would do on its own and RFC 9113 has otherwise is mended here: of streams beyond the limit it would end the
connection, where one of them is to be refused.
"""

from __future__ import annotations

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.exceptions import DenialOfServiceError, ProtocolError
from h2.settings import SettingCodes, Settings
from hpack import HPACKError
from hyperframe.frame import SettingsFrame

from pytest_netmocks.faults.codes import NAMES
from pytest_netmocks.protocols.h2.compression import FieldReader, FieldWriter
from pytest_netmocks.protocols.web.heads import MAX_HEAD

_CONFIG = H2Configuration(
    client_side=False,
    header_encoding=None,
    # Fields are checked by ours, which resets the stream where the library would end the connection.
    validate_inbound_headers=False,
    normalize_inbound_headers=False,
    validate_outbound_headers=False,
    normalize_outbound_headers=False,
)


def code_of(error: ProtocolError) -> str:
    """The error of HTTP/2 that an exception of the library's stands for."""
    if isinstance(error.__cause__, HPACKError) and not isinstance(error, DenialOfServiceError):
        return "COMPRESSION_ERROR"  # RFC 9113, section 4.3
    return NAMES[int(error.error_code)]


class Engine(H2Connection):
    """The states of one connection: frames go in and come out as bytes, and what happened as the library's events."""

    def __init__(self, max_streams: int) -> None:
        super().__init__(_CONFIG)
        self.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: max_streams,
                SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEAD,
            },
        )
        self.encoder, self.decoder = FieldWriter(), FieldReader()
        # What is a little longer is still read, and refused in words.
        self.decoder.max_header_list_size = 2 * MAX_HEAD

    def begin(self, window: int) -> None:
        """Say the first SETTINGS; `window` is how many bytes a stream may send before more are asked for."""
        self.initiate_connection()
        if window == self.local_settings.initial_window_size:
            return
        self.clear_outbound_data_buffer()
        self.local_settings[SettingCodes.INITIAL_WINDOW_SIZE] = window  # in force once the client has said yes
        said = {**self.local_settings, SettingCodes.INITIAL_WINDOW_SIZE: window}
        self._data_to_send += SettingsFrame(0, settings=said).serialize()

    @property
    def open_inbound_streams(self) -> int:
        """Few enough: who has these streams counts them, and refuses one that is too many (section 5.1.2)."""
        _ = super().open_inbound_streams  # forgets those that are closed
        return -1 << 31
