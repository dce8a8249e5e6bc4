#!/usr/bin/perl
# Echoes its input and keeps it in DIRECTORY/PATH_INFO. How it ended stands in the same name with ".end": EOF, or TERM
# after everything that was in the pipe when the signal came. Needs PERL_SIGNALS=unsafe: a handler that perl puts off
# would not run in a read that begins just after the signal.
use strict;
use warnings;
use Errno qw(EINTR);
use Fcntl;

my $term = 0;
$SIG{TERM} = sub { local $!; $term = 1; fcntl(STDIN, F_SETFL, O_NONBLOCK) };
$SIG{PIPE} = 'IGNORE';
my $path = $ARGV[0] . $ENV{PATH_INFO};
open(my $kept, '>:raw', $path) or die "$path: $!";
binmode(STDIN);
binmode(STDOUT);
while (1) {
	my $n = sysread(STDIN, my $data, 65536);
	next if !defined($n) && $! == EINTR;
	last if !$n;
	syswrite($kept, $data);
	for (my $at = 0; $at < $n;) {
		my $sent = syswrite(STDOUT, $data, $n - $at, $at);
		next if !defined($sent) && $! == EINTR;
		last if !defined($sent);
		$at += $sent;
	}
}
close($kept);
open(my $end, '>', "$path.part") or die "$path.part: $!";
print $end $term ? 'TERM' : 'EOF';
close($end);
rename("$path.part", "$path.end");
