"""What calls cost, what each tenant may spend on a day, and what was saved."""
