"""What commands have computed, here or by worker processes, which import no more than this."""
