"""``dicompack keys``: make, show, pin, renew and revoke keys and contacts; project keys, passwords."""

from __future__ import annotations

import click

from dicompack.cli.keys.certifying import csr_command, install_command
from dicompack.cli.keys.new import new_command
from dicompack.cli.keys.revoking import revoke_command
from dicompack.cli.keys.secrets import password_command, project_command
from dicompack.cli.keys.showing import list_command, show_command
from dicompack.cli.keys.succession import rotate_command
from dicompack.cli.keys.trusting import trust_command
from dicompack.cli.keys.using import use_command
from dicompack.cli.options import HelpfulGroup


@click.group("keys", cls=HelpfulGroup)
def keys_group() -> None:
    """Make, show, pin, renew and revoke keys."""


for _command in (
    new_command,
    use_command,
    list_command,
    show_command,
    trust_command,
    csr_command,
    install_command,
    rotate_command,
    revoke_command,
    project_command,
    password_command,
):
    keys_group.add_command(_command)
