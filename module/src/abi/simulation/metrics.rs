//! Envoy's metrics. Those with labels have numbers of their own, and Envoy tells both apart by the number of labels.

use std::ffi::c_void;

use super::super::callbacks::{Buffer, ConfigPtr, SUCCESS};
use super::config::{Config, Kind};
use super::filter::Filter;
use super::symbols::text;

/// # Safety
/// The module has filled the array, and it lives until its call returns.
unsafe fn texts(labels: *const Buffer<'_>, count: usize) -> Vec<String> {
    // SAFETY: the contract of this function.
    (0..count).map(|index| text(unsafe { *labels.add(index) })).collect()
}

macro_rules! define {
    ($($name:ident: $kind:ident;)*) => {
        symbols! {
            $(fn $name(
                config: ConfigPtr, name: Buffer<'_>, _labels: *const Buffer<'_>, labels: usize, number: *mut usize,
            ) -> u32 {
                // SAFETY: the pointer is that of a hook.
                let config = unsafe { Config::at(config) };
                let defined = match (labels, Kind::$kind) {
                    (0, kind) => config.define(kind, &text(name)),
                    (_, Kind::Counter) => config.define_labelled(&text(name), labels),
                    (_, kind) => panic!("a {kind:?} with labels"),
                };
                match defined {
                    Ok(defined) => {
                        // SAFETY: the module has a place for it.
                        unsafe { number.write(defined) };
                        SUCCESS
                    }
                    Err(why) => why,
                }
            })*
        }
    };
}

define! {
    http_filter_config_define_counter: Counter;
    http_filter_config_define_gauge: Gauge;
    http_filter_config_define_histogram: Histogram;
}

fn change(config: &Config, kind: Kind, number: usize, labels: Vec<String>, change: i64) -> u32 {
    match (labels.is_empty(), kind) {
        (true, kind) => config.change(kind, number, change),
        (false, Kind::Counter) => config.count_labelled(number, labels, change),
        (false, kind) => panic!("a {kind:?} with labels"),
    }
}

macro_rules! change {
    ($($of:ident, $of_config:ident: $kind:ident by $value:ident => $change:expr;)*) => {
        symbols! {
            $(fn $of(filter: *mut c_void, number: usize, labels: *const Buffer<'_>, count: usize, value: u64) -> u32 {
                // SAFETY: the pointer is that of a hook, and the module has filled the labels.
                let (config, labels) = unsafe { (&Filter::at(filter).config, texts(labels, count)) };
                let $value = i64::try_from(value).expect("a small number");
                change(config, Kind::$kind, number, labels, $change)
            }

            fn $of_config(
                config: *mut c_void, number: usize, labels: *const Buffer<'_>, count: usize, value: u64,
            ) -> u32 {
                // SAFETY: as above.
                let (config, labels) = unsafe { (Config::at(config), texts(labels, count)) };
                let $value = i64::try_from(value).expect("a small number");
                change(config, Kind::$kind, number, labels, $change)
            })*
        }
    };
}

change! {
    http_filter_increment_counter, http_filter_config_increment_counter: Counter by value => value;
    http_filter_increment_gauge, http_filter_config_increment_gauge: Gauge by value => value;
    http_filter_decrement_gauge, http_filter_config_decrement_gauge: Gauge by value => -value;
    http_filter_record_histogram_value, http_filter_config_record_histogram_value: Histogram by value => value;
}
