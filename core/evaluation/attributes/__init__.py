"""What people say of themselves: age, gender, country, education and occupation, in fixed classes."""
