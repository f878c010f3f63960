# The portal of LemonLDAP::NG from unpacked packages, for `cargo xtask interop lemonldap`.
# Environment: ROOT, the folder of the packages.
use strict;
use warnings;
use Lemonldap::NG::Portal::Main;
use Plack::App::File;
use Plack::Builder;

my $share = "$ENV{ROOT}/usr/share";

# jQuery may be among the packages, or installed.
sub files {
    my ($folder) = grep { -d } map { "$_/$_[0]" } @_[ 1 .. $#_ ];
    return Plack::App::File->new( root => $folder )->to_app;
}

builder {
    # Envoy says which scheme and host the browser used.
    enable 'ReverseProxy';
    mount '/static' => files( 'portal/htdocs/static', "$share/lemonldap-ng" );
    mount '/javascript/jquery' => files( 'jquery', "$share/javascript", '/usr/share/javascript' );
    mount '/javascript'        => files( 'javascript', $share );
    mount '/'                  => Lemonldap::NG::Portal::Main->run( {} );
};
