"""What the product does; it would exist without GraphQL."""
