//! Cookie keys that change while a system runs: those of both replicas of the service, which read them from a file, and of
//! the filter in Envoy, as in `docs/operations/key-rotation.md`.

use demo_system::{Component, Options, System};

use crate::cookie_keys;
use crate::discovered_filter::DiscoveredFilter;
use crate::mounted_volume::MountedVolume;

/// Where the filter has its keys from at first.
const FROM_ENVIRONMENT: &str = "{\"env\": \"BFF_COOKIE_KEYS\"}";
const FILE: &str = "cookie-keys";

/// The ring of a running system.
pub struct RotatingKeys<'a> {
    system: &'a System,
    /// The file of the service.
    volume: MountedVolume,
    /// The filter of the entry point "web".
    filter: DiscoveredFilter<'a>,
}

/// Lets both replicas of the service read the ring from a file. The second one reads it again only on SIGHUP.
pub fn in_a_file(options: &mut Options, ring: &str) -> MountedVolume {
    let volume = MountedVolume::new(options.directory.join("volume"), FILE, &format!("{ring}\n"));
    let mut set = |component, name: &str, value: String| {
        options.environment.push((component, name.to_owned(), value));
    };
    for (component, seconds) in [(Component::Bff, "1"), (Component::SecondBff, "0")] {
        set(
            component,
            "BFF_COOKIE_KEYS_FILE",
            volume.path(FILE).display().to_string(),
        );
        set(component, "BFF_SERVER__REREAD_SECONDS", seconds.to_owned());
    }
    volume
}

impl<'a> RotatingKeys<'a> {
    /// `volume` is from [`in_a_file`], with this ring. Restarts Envoy.
    pub fn new(system: &'a System, volume: MountedVolume, ring: &str) -> Self {
        let filter = DiscoveredFilter::of(system, (FROM_ENVIRONMENT, &inline(ring)));
        Self { system, volume, filter }
    }

    /// Gives a ring to the service and then to the filter, and returns when it is in force in both.
    pub fn give(&mut self, ring: &str) {
        self.write(ring);
        for admin in [self.system.bff_admin(), self.system.second_bff().1] {
            cookie_keys::wait_until_in_force(admin, ring);
        }
        assert!(self.give_to_filter(ring));
    }

    /// Gives a ring to the service alone, which may refuse it.
    pub fn write(&mut self, ring: &str) {
        self.volume.write(FILE, &format!("{ring}\n"));
        cookie_keys::reload(self.system, Component::SecondBff);
    }

    /// Gives a ring to the filter alone. Returns whether the filter takes it.
    pub fn give_to_filter(&mut self, ring: &str) -> bool {
        self.filter.change(FROM_ENVIRONMENT, &inline(ring))
    }
}

fn inline(ring: &str) -> String {
    format!("{{\"inline\": \"{ring}\"}}")
}
