"""QA's bench: scenarios run in virtual time or against a monitor on its serial line."""
