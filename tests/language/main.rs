//! The language from outside: recorded answers, and what the evaluator does with unknown values, marks and errors.

mod evaluation;
mod golden;
mod support;
