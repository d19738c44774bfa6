"""Run the command `audit`."""

import sys

from tfpipeline import cli
from tfpipeline.audit.command import audit
from tfpipeline.config import AuditSettings

if __name__ == "__main__":
    sys.exit(cli.main(audit, AuditSettings))
