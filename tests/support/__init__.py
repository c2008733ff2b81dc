"""What tests share: databases, and what the machine must have for some of them."""
