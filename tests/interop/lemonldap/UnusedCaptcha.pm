# The portal loads a module for captchas even if no page has one, and the default one needs Image::Magick.
package UnusedCaptcha;
use Mouse;

sub init          { return 1 }
sub init_captcha  { return 1 }
sub check_captcha { return 1 }

1;
