"""`contactpulse rebuild`: the slices of a range made anew from the stored events, while the product runs."""
