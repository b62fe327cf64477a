"""Results that say more than a value: status, header fields, cookies, redirects, events."""
