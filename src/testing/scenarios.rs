//! Scenarios of the faults that were found, each with its right end.

use super::story::story;

macro_rules! stories {
    ($($(#[$doc:meta])* $name:ident: $script:literal)*) => {
        $(
            $(#[$doc])*
            #[test]
            fn $name() {
                insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(stringify!($name), story($script)) });
            }
        )*
    };
}

stories! {
    /// A step that its type refuses, or of which it says nothing, is not journalled: the next plan is in no doubt.
    what_is_refused_before_it_begins_leaves_no_trace: r#"
        = config
        resource "wary" "good" {
          name = "a"
        }
        resource "wary" "bad" {
          name = "b"
          hint = "bad"
        }
        resource "wary" "silent" {
          name = "c"
          hint = "silent"
        }
        > apply
        > show
        > plan
    "#
    /// A renamed place takes along what is in it.
    a_renamed_block_is_a_move: r#"
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
    a_shifted_list_moves: r#"
        = config
        resource "slow" "s" {
          count = 2
          name  = ["x", "y"][count.index]
        }
        > apply
        = config
        resource "slow" "s" {
          count = 3
          name  = ["new", "x", "y"][count.index]
        }
        > apply
        = config
        resource "slow" "s" {
          count = 1
          name  = ["y"][count.index]
        }
        > apply
        > show
        > plan
    "#
    a_renamed_key_a_module_and_a_swap: r#"
        = config
        resource "vault" "v" {
          for_each = { k = "x", l = "y" }
          name     = each.value
          secret   = "s"
        }
        resource "slow" "a" {
          name = "a"
        }
        resource "slow" "b" {
          name = "b"
        }
        > apply
        = config
        module "m" {
          source = "./m"
        }
        resource "slow" "a" {
          name = "b"
        }
        resource "slow" "b" {
          name = "a"
        }
        = config m/main.hcl
        resource "vault" "v" {
          for_each = { n = "x", l = "y" }
          name     = each.value
          secret   = "s"
        }
        > apply
        > show
        > plan
    "#
    /// P1: a move of which targeting holds one end is refused.
    a_move_that_is_left_out: r#"
        = config
        resource "slow" "old" {
          name = "x"
        }
        resource "slow" "other" {
          name = "o"
        }
        > apply
        = config
        resource "slow" "new" {
          name = "x"
        }
        resource "slow" "other" {
          name = "o"
          a    = 1
        }
        moved {
          from = slow.old
          to   = slow.new
        }
        > apply -target=slow.other
        = config
        resource "slow" "new" {
          name = "x"
        }
        resource "slow" "other" {
          name = "o"
          a    = 1
        }
        > apply -target=slow.new
        > apply -exclude=slow.new
        > apply
        > show
        > plan
    "#
    /// P2: whatever is not read, a right that another block declares stays.
    a_shared_right_is_released_by_its_last_holder: r#"
        = config
        resource "place" "p" {
          name = "north"
        }
        resource "grant" "a" {
          place     = place.p
          principal = "ann"
          rights    = ["read"]
        }
        resource "bundle" "b" {
          place     = place.p
          principal = "ann"
          level     = "write"
        }
        > apply
        > apply -destroy -target=bundle.b
        > apply
        = config
        resource "place" "p" {
          name = "north"
        }
        resource "grant" "a" {
          place     = place.p
          principal = "ann"
          rights    = ["read"]
        }
        > save
        > apply saved
        > plan
        = config
        resource "place" "p" {
          name = "north"
        }
        > apply -refresh=false
        > show
    "#
    /// P3 and A3: with `-replace` it is one object that goes and comes, and no move.
    a_replacement_is_no_move: r#"
        = config
        resource "slow" "a" {
          name = "x"
        }
        > apply
        > apply -replace=slow.a
        > show
    "#
    /// G1: what a killed update may have done is looked for, and what cannot be read back is written again.
    a_killed_update_is_in_doubt: r#"
        = config
        resource "place" "p" {
          name = "north"
        }
        resource "grant" "a" {
          place     = place.p
          principal = "ann"
          rights    = ["read"]
        }
        resource "vault" "v" {
          name   = "v"
          secret = "one"
        }
        resource "slow" "s" {
          name = "s"
        }
        > apply
        = config
        resource "place" "p" {
          name = "north"
        }
        resource "grant" "a" {
          place     = place.p
          principal = "ann"
          rights    = ["read", "write"]
        }
        resource "vault" "v" {
          name   = "v"
          secret = "two"
        }
        resource "slow" "s" {
          name = "s"
          a    = 1
          b    = 1
          c    = 1
        }
        > kill after 5: apply
        > show
        = config
        resource "place" "p" {
          name = "north"
        }
        resource "grant" "a" {
          place     = place.p
          principal = "ann"
          rights    = ["read"]
        }
        resource "vault" "v" {
          name   = "v"
          secret = "one"
        }
        resource "slow" "s" {
          name = "s"
        }
        > apply
        > show
        > plan
    "#
    a_killed_update_of_several_writes: r#"
        = config
        resource "slow" "s" {
          name = "s"
        }
        > apply
        = config
        resource "slow" "s" {
          name = "s"
          a    = 1
          b    = 1
          c    = 1
        }
        > kill after 6: apply
        > show
        = config
        resource "slow" "s" {
          name = "s"
          a    = 1
        }
        > apply
        > show
        > plan
    "#
    /// F2: whatever an expression cannot say any more, a destroy takes what the state holds.
    destroy_goes_by_the_state: r#"
        = config
        resource "slow" "a" {
          name = "x"
        }
        resource "slow" "b" {
          for_each = toset([slow.a.name])
          name     = "y${each.value}"
        }
        module "m" {
          source   = "./m"
          for_each = toset([slow.a.name])
        }
        = config m/main.hcl
        resource "slow" "c" {
          name = "c"
        }
        > apply
        > outside delete here slow x
        > apply -destroy
        > show
    "#
    /// F6: an object that was deleted and made again outside counts until somebody accepts it.
    an_object_that_was_made_again_outside: r#"
        = config
        resource "slow" "a" {
          name = "x"
          a    = 1
        }
        > apply
        > outside recreate here slow x
        > plan
        > apply -refresh-only
        > plan
        > apply
        > show
        > plan
    "#
    /// A state of an older version may hold one object twice: it is named, and the next plan repairs it.
    two_records_of_one_object: r#"
        = config
        resource "slow" "a" {
          name = "x"
        }
        > apply
        > copy record slow.a to slow.old
        > show
        > apply
        > show
        > copy record slow.a to slow.old
        = config
        resource "slow" "new" {
          name = "x"
        }
        > apply
        = config
        resource "slow" "new" {
          name = "x"
        }
        moved {
          from = slow.a
          to   = slow.new
        }
        > apply
        > show
    "#
    /// Two types hold objects of one kind.
    an_object_of_another_type: r#"
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
        resource "place" "p" {
          name = "north"
        }
        resource "twin" "a" {
          place = place.p
          name  = "x"
        }
        > apply
        = config
        resource "place" "p" {
          name = "north"
        }
        resource "thing" "a" {
          place = place.p
          name  = "x"
        }
        resource "twin" "a" {
          place = place.p
          name  = "x"
        }
        > apply
    "#
    /// An import of what another address holds is refused, whether or not that is declared.
    an_import_of_what_another_address_holds: r#"
        = config
        resource "slow" "a" {
          name = "x"
        }
        > apply
        = config
        resource "slow" "b" {
          name = "x"
        }
        import {
          to = slow.b
          id = "x"
        }
        > apply
        > show
        = config
        resource "slow" "a" {
          name = "x"
        }
        resource "slow" "b" {
          name = "x"
        }
        import {
          to = slow.b
          id = "x"
        }
        > apply
    "#
    /// A create in doubt has no record: it moves all the same.
    a_create_in_doubt_is_renamed: r#"
        = config
        resource "vault" "a" {
          name   = "x"
          secret = "s"
        }
        > kill after 2: apply
        > show
        = config
        resource "vault" "b" {
          name   = "x"
          secret = "s"
        }
        > apply
        > show
        > plan
    "#
    /// A `moved` block and a move that goes without saying do not lead to one place.
    two_moves_to_one_place: r#"
        = config
        resource "slow" "a" {
          name = "x"
        }
        resource "slow" "b" {
          count = 1
          name  = "y"
        }
        > apply
        = config
        resource "slow" "b" {
          name = "x"
        }
        resource "slow" "c" {
          count = 1
          name  = "y"
        }
        moved {
          from = slow.a
          to   = slow.b
        }
        > apply
        > show
        > plan
    "#
    /// `-target` leaves out what is no longer repeated elsewhere.
    a_target_leaves_out_what_is_no_longer_repeated: r#"
        = config
        resource "slow" "a" {
          count = 2
          name  = "x${count.index}"
        }
        resource "slow" "b" {
          name = "b"
        }
        > apply
        = config
        resource "slow" "a" {
          count = 1
          name  = "x${count.index}"
        }
        resource "slow" "b" {
          name = "b"
          a    = 1
        }
        > apply -target=slow.b
        > apply
        > show
    "#
    /// An operation in doubt stays so where a run decides nothing about it.
    a_refresh_keeps_what_is_in_doubt: r#"
        = config
        resource "slow" "a" {
          name = "x"
        }
        > kill after 2: apply
        = config
        resource "slow" "b" {
          name = "x"
        }
        > apply -refresh-only
        > show
        > apply
        > show
    "#
    /// What is left out keeps its record although its object is gone: nobody else takes the name meanwhile.
    a_name_of_a_record_that_is_left_out: r#"
        = config
        resource "slow" "a" {
          name = "x"
        }
        > apply
        = config
        resource "slow" "a" {
          name = "x"
          a    = 1
        }
        > kill after 1: apply
        > outside delete here slow x
        = config
        resource "slow" "b" {
          name = "x"
        }
        > apply -target=slow.b
        > apply
        > show
    "#
    /// A deleted object goes while its place still runs as it did; a replaced one is missing for as short as can be.
    what_leaves_a_place_that_changes: r#"
        = config
        resource "place" "p" {
          name = "north"
          size = 1
        }
        resource "thing" "a" {
          place = place.p
          name  = "x"
          shape = "round"
        }
        resource "thing" "old" {
          place = place.p
          name  = "old"
        }
        > apply
        = config
        resource "place" "p" {
          name = "north"
          size = 2
        }
        resource "thing" "a" {
          place = place.p
          name  = "x"
          shape = "square"
        }
        > apply
    "#
    /// A deletion that fails keeps nobody from mending the place.
    what_cannot_leave_keeps_nobody: r#"
        = config
        resource "place" "p" {
          name = "north"
          size = 1
        }
        resource "thing" "old" {
          place = place.p
          name  = "old"
        }
        > apply
        = config
        resource "place" "p" {
          name = "north"
          size = 2
        }
        > fail 1: apply
    "#
    /// A place that is replaced takes along what is in it: that is replaced too.
    what_lives_in_a_replaced_place: r#"
        = config
        resource "place" "p" {
          name = "north"
        }
        resource "thing" "a" {
          place = place.p
          name  = "x"
        }
        resource "thing" "old" {
          place = place.p
          name  = "old"
        }
        > apply
        = config
        resource "place" "p" {
          name = "south"
        }
        resource "thing" "a" {
          place = place.p
          name  = "x"
        }
        > apply
        > show
        > plan
    "#
    /// A right that goes to another block keeps its record until that block holds it.
    a_right_is_left_to_who_does_not_come_to_hold_it: r#"
        = config
        resource "place" "p" {
          name = "north"
        }
        resource "bundle" "b" {
          place     = place.p
          principal = "ann"
          level     = "read"
        }
        > apply
        = config
        resource "place" "p" {
          name = "north"
          size = 1
        }
        resource "grant" "a" {
          place     = place.p
          principal = "ann"
          rights    = ["read"]
        }
        > fail 2: apply
        > show
        > kill after 4: apply
        > show
        = config
        resource "place" "p" {
          name = "north"
        }
        > apply
        > show
    "#
    /// An object that a left-out step may have created cannot be created by another step.
    what_a_left_out_step_may_have_made: r#"
        = config
        resource "place" "p" {
          name = "north"
        }
        > apply
        = config
        resource "place" "p" {
          name = "north"
        }
        resource "thing" "a" {
          place = place.p
          name  = "x"
        }
        > kill after 2: apply
        > show
        = config
        resource "place" "p" {
          name = "north"
        }
        resource "thing" "a" {
          place = place.p
          name  = "y"
        }
        resource "thing" "b" {
          place = place.p
          name  = "x"
        }
        > apply -target=thing.b
        > apply
        > show
    "#
    /// The record of an object that is gone does not stay beside the new one's when another step fails.
    a_missing_object_and_another_of_its_name: r#"
        = config
        resource "place" "p" {
          name = "north"
        }
        resource "thing" "a" {
          place = place.p
          name  = "x"
        }
        resource "thing" "c" {
          place = place.p
          name  = "z"
          label = thing.a.id
        }
        > apply
        > outside delete north thing x
        = config
        resource "place" "p" {
          name = "north"
        }
        resource "thing" "b" {
          place = place.p
          name  = "x"
        }
        resource "thing" "c" {
          place = place.p
          name  = "z"
        }
        > fail 2: apply
        > show
        > apply
        > show
    "#
    /// The new holder of a right waits itself for the step that leaves it.
    a_right_goes_to_who_waits_for_its_holder: r#"
        = config
        resource "place" "p" {
          name = "north"
        }
        resource "place" "q" {
          name = "south"
        }
        resource "thing" "d" {
          place = place.p
          name  = "z"
        }
        resource "grant" "c" {
          place     = place.p
          principal = "ann"
          rights    = ["read", thing.d.id]
        }
        > apply
        = config
        resource "place" "p" {
          name = "north"
        }
        resource "place" "q" {
          name = "south"
        }
        resource "thing" "d" {
          place = place.q
          name  = "z"
        }
        resource "grant" "e" {
          place     = place.p
          principal = "ann"
          rights    = ["read", thing.d.id]
        }
        > apply
        > show
        > plan
    "#
    /// Each waits for the other, so that nobody can; what one has left stays known to the state until the other holds it.
    rights_that_are_exchanged: r#"
        = config
        resource "place" "p" {
          name = "north"
        }
        resource "grant" "a" {
          place     = place.p
          principal = "ann"
          rights    = ["read"]
        }
        resource "grant" "b" {
          place     = place.p
          principal = "ann"
          rights    = ["write"]
        }
        > apply
        = config
        resource "place" "p" {
          name = "north"
        }
        resource "grant" "a" {
          place     = place.p
          principal = "ann"
          rights    = ["write"]
        }
        resource "grant" "b" {
          place     = place.p
          principal = "ann"
          rights    = ["admin", "read"]
        }
        > fail 1: apply
        > show
        = config
        resource "place" "p" {
          name = "north"
        }
        resource "grant" "a" {
          place     = place.p
          principal = "ann"
          rights    = ["write"]
        }
        > apply
        > show
        > plan
    "#
    /// The same for objects that are replaced: the old one is known until the other holds what it has left.
    rights_that_are_exchanged_by_new_objects: r#"
        = config
        resource "place" "p" {
          name = "north"
        }
        resource "grant" "a" {
          place     = place.p
          principal = "ann"
          rights    = ["read"]
        }
        resource "grant" "b" {
          place     = place.p
          principal = "ann"
          rights    = ["read", "write"]
        }
        > apply
        > fail 1: apply -replace=grant.a -replace=grant.b
        > show
        = config
        resource "place" "p" {
          name = "north"
        }
        > apply
        > show
        > plan
    "#
    /// The state hides the values that the configuration hides, also where nothing else changes; a hidden value stays so.
    a_value_becomes_sensitive: r#"
        = config
        resource "slow" "s" {
          name = "s"
          a    = "open"
          b    = "open"
        }
        > apply
        = config
        resource "slow" "s" {
          name = "s"
          a    = sensitive("open")
          b    = "open"
        }
        > plan
        > apply
        > show
        > plan
        = config
        resource "slow" "s" {
          name = "s"
          a    = "open"
          b    = "open"
        }
        > apply
        > show
    "#
    /// A block goes when those that used it have moved away, and blocks may come to need each other the other way round.
    needs_turn_round: r#"
        = config
        resource "place" "p" {
          name = "north"
        }
        resource "thing" "a" {
          count = 2
          place = place.p
          name  = "a${count.index}"
        }
        resource "thing" "b" {
          count = 2
          place = place.p
          name  = "b${count.index}"
          label = thing.a[0].id
        }
        resource "thing" "c" {
          place = place.p
          name  = "c"
          label = thing.a[1].id
        }
        > apply
        = config
        resource "place" "p" {
          name = "north"
        }
        resource "thing" "a" {
          place = place.p
          name  = "a0"
          label = thing.b.id
        }
        resource "thing" "b" {
          place = place.p
          name  = "b0"
        }
        resource "thing" "c" {
          place = place.p
          name  = "c"
        }
        > fail 2: apply
        > apply
        > show
        > plan
    "#
    /// Objects in an excluded place stay, also if their block is gone; a right is not left to a holder that is excluded.
    what_needs_an_excluded_object_stays: r#"
        = config
        resource "place" "p" {
          for_each = toset(["a", "b"])
          name     = each.key
        }
        resource "bundle" "e" {
          for_each  = toset(["a", "b"])
          place     = place.p[each.key]
          principal = "ann"
          level     = "write"
        }
        > apply
        = config
        resource "place" "p" {
          for_each = toset(["a", "b"])
          name     = each.key
        }
        resource "grant" "c" {
          place     = place.p["a"]
          principal = "ann"
          rights    = ["read"]
        }
        > plan -exclude=place.p["a"]
        > plan -exclude=place.p
        > plan -exclude=grant.c
        > apply
        > show
    "#
    /// A new grant beside the old one keeps the rights that both give.
    a_grant_is_replaced_create_first: r#"
        = config
        resource "place" "p" {
          name = "north"
        }
        resource "grant" "a" {
          place     = place.p
          principal = "ann"
          rights    = ["read", "write"]
          lifecycle {
            create_before_destroy = true
          }
        }
        > apply
        > apply -replace=grant.a
        > show
        > plan
    "#
    /// A left-out block of which the name or the instances are not known may declare the object.
    what_may_be_a_left_out_object: r#"
        = config
        resource "place" "p" {
          name = "north"
        }
        resource "thing" "a" {
          place = place.p
          name  = "x"
        }
        resource "thing" "z" {
          place = place.p
          name  = "z"
        }
        > apply
        = config
        resource "place" "p" {
          name = "north"
        }
        resource "place" "q" {
          name = "south"
        }
        resource "thing" "b" {
          place = place.p
          name  = place.q.id
        }
        resource "thing" "z" {
          place = place.p
          name  = "z"
        }
        > plan -target=thing.a
        > plan -exclude=thing.b
        = config
        resource "place" "p" {
          name = "north"
        }
        resource "place" "q" {
          name = "south"
        }
        resource "thing" "b" {
          count = place.q.id == "x" ? 1 : 2
          place = place.p
          name  = "x${count.index}"
        }
        resource "thing" "z" {
          place = place.p
          name  = "z"
          label = "new"
        }
        > plan -target=thing.a
        > plan -target=thing.z
        > apply -target=place.q
    "#
    /// The name of an old object that a replacement did not end.
    the_name_of_a_deposed_object: r#"
        = config
        resource "place" "p" {
          name = "north"
        }
        resource "thing" "a" {
          place = place.p
          name  = "x"
          lifecycle {
            create_before_destroy = true
          }
        }
        > apply
        = config
        resource "place" "p" {
          name = "north"
        }
        resource "thing" "a" {
          place = place.p
          name  = "y"
          lifecycle {
            create_before_destroy = true
          }
        }
        > kill after 4: apply
        > show
        = config
        resource "place" "p" {
          name = "north"
        }
        resource "thing" "a" {
          place = place.p
          name  = "x"
          lifecycle {
            create_before_destroy = true
          }
        }
        > plan
    "#
    /// A delete in doubt that moved, and a new object where it was.
    a_delete_in_doubt_is_moved: r#"
        = config
        resource "slow" "a" {
          name = "x"
        }
        > apply
        > kill after 1: apply -destroy
        = config
        resource "slow" "a" {
          name = "y"
        }
        resource "slow" "b" {
          name = "x"
        }
        > apply
        > show
        > plan
    "#
    /// Places that swap their names, with grants that share a right.
    grants_follow_places_that_swap: r#"
        = config
        resource "place" "d" {
          name = "north"
        }
        resource "place" "e" {
          name = "south"
        }
        resource "grant" "a" {
          count     = 2
          place     = place.d
          principal = "ann"
          rights    = [["read", "write"], ["write", "admin"]][count.index]
        }
        > apply
        = config
        resource "place" "d" {
          name = "south"
        }
        resource "place" "e" {
          name = "north"
        }
        resource "grant" "a" {
          count     = 2
          place     = place.d
          principal = "ann"
          rights    = [["read", "write"], ["write", "admin"]][count.index]
        }
        > apply
        > show
        > plan
    "#
    /// What refers to an object that was left out and does not exist is not made with half of its values.
    an_unknown_value_is_not_written: r#"
        = config
        resource "slow" "a" {
          for_each = { j = "w", k = "x" }
          name     = each.value
        }
        resource "slow" "b" {
          name = "b"
          a    = slow.a["k"].id
        }
        > apply -target=slow.a["j"] -target=slow.b
        > apply -exclude=slow.a["k"]
        > apply
        > show
    "#
    /// A place does not go, or is not replaced, while something that is left out lives in it.
    a_place_of_what_is_left_out: r#"
        = config
        resource "place" "p" {
          name = "x"
        }
        resource "thing" "t" {
          place = place.p
          name  = "t"
        }
        > apply
        > apply -destroy -exclude=thing.t
        > apply -replace=place.p -target=place.p
        = config
        resource "slow" "o" {
          name = "o"
        }
        > apply -target=place.p
        > apply -exclude=thing.t
        > apply -destroy -target=place.p
        > show
    "#
    /// A grant whose block has another name goes on giving the same rights.
    a_renamed_grant_is_a_move: r#"
        = config
        resource "place" "p" {
          name = "x"
        }
        resource "grant" "a" {
          place     = place.p
          principal = "ann"
          rights    = ["read", "write"]
        }
        resource "grant" "other" {
          place     = place.p
          principal = "bob"
          rights    = ["read"]
        }
        > apply
        = config
        resource "place" "p" {
          name = "x"
        }
        resource "grant" "b" {
          place     = place.p
          principal = "ann"
          rights    = ["read", "write"]
        }
        resource "grant" "another" {
          place     = place.p
          principal = "bob"
          rights    = ["read", "write"]
        }
        > apply
        > show
        > plan
    "#
    /// A right that two blocks give stays while one of them is replaced.
    a_shared_right_of_a_replaced_grant: r#"
        = config
        resource "place" "p" {
          name = "x"
        }
        resource "grant" "a" {
          place     = place.p
          principal = "ann"
          rights    = ["read", "write"]
        }
        resource "grant" "b" {
          place     = place.p
          principal = "ann"
          rights    = ["read"]
        }
        > apply
        > apply -replace=grant.a
        > apply -replace=grant.a -replace=grant.b
        > show
        > plan
    "#
}
