"""Who answers: the NIMs, and the mocks that stand in for them."""
