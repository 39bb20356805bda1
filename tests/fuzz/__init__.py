"""Long runs over inputs made at random: ``make fuzz``."""
