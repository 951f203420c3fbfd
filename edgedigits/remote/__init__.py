"""Devices from the workstation, over the system's ssh: deploy, look, measure, bring crops home."""
