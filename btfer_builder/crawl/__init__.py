"""Ask search engines for pictures and fetch them, keeping what is known of each and the fate of every one."""
