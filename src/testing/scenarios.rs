//! Scenarios of the faults that were found, each with its right end.

use super::story::story;

#[test]
fn a_renamed_block_is_a_move() {
    insta::assert_snapshot!(story(
        r#"
        = config
        resource "place" "p" {
          name = "north"
        }
        resource "thing" "a" {
          place = place.p
          name  = "x"
        }
        > apply
        = config
        resource "place" "q" {
          name = "north"
        }
        resource "thing" "b" {
          place = place.q
          name  = "x"
          size  = 2
        }
        > apply
        > show
        > plan
        "#
    ));
}
