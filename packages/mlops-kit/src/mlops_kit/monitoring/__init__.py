"""What the service was asked lately, against the rows that its model was measured on."""
