#!/usr/bin/perl
# Echoes its input and keeps it in DIRECTORY/PATH_INFO. How it ended stands in the same name with ".end": EOF, or TERM
# after everything that was in the pipe when the signal came. Perl puts a handler off to the end of a statement, so that
# of a signal just before a read would not run in it: the input is only read when it is there, and looked at again soon.
use strict;
use warnings;
use Errno qw(EAGAIN EINTR);
use Fcntl;

my $term = 0;
$SIG{TERM} = sub { $term = 1 };
$SIG{PIPE} = 'IGNORE';
my $path = $ARGV[0] . $ENV{PATH_INFO};
fcntl(STDIN, F_SETFL, O_NONBLOCK) or die "fcntl: $!";
binmode(STDIN);
binmode(STDOUT);
open(my $kept, '>:raw', $path) or die "$path: $!";
my $told;
while (1) {
	$told = $term;
	my $n = sysread(STDIN, my $data, 65536);
	if (!defined($n)) {
		next if $! == EINTR;
		last if $told || $! != EAGAIN;
		my $in = '';
		vec($in, fileno(STDIN), 1) = 1;
		select($in, undef, undef, 0.05);
		next;
	}
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
print $end $told ? 'TERM' : 'EOF';
close($end);
rename("$path.part", "$path.end");
