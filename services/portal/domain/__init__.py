"""What the pages show, computed: rows, formats and charts; pure."""
