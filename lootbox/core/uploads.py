"""How large a file may be that a browser sends to the back-office."""

from typing import Final

from django.core.files.uploadhandler import FileUploadHandler, SkipFile

LARGEST_UPLOAD: Final = 200 * 1024 * 1024


class Limited(FileUploadHandler):
    """Drops a file that grows too large while it comes in, so that nobody, logged in or not, fills the disk.

    The form then finds no file. It stands before the handlers that keep files.
    """

    _size = 0

    def new_file(self, *args: object, **kwargs: object) -> None:
        """Begin to count."""
        self._size = 0
        super().new_file(*args, **kwargs)  # type: ignore[arg-type]

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:  # noqa: ARG002 - Django's signature
        """Pass the chunk on to the next handler. Raises `SkipFile`."""
        self._size += len(raw_data)
        if self._size > LARGEST_UPLOAD:
            raise SkipFile
        return raw_data

    def file_complete(self, file_size: int) -> None:
        """Leave the file to the next handler."""
