"""Waiting for a stream that does not block, as one inherited from another program may be."""


def wait_until_ready(descriptor: int, *, to_write: bool) -> None:
    """Wait until a descriptor can be written, or read, or has failed."""
    import select

    poll = select.poll()
    poll.register(descriptor, select.POLLOUT if to_write else select.POLLIN)
    poll.poll()
