//! Operators that move elements, and arithmetic on shapes.

use super::*;

#[test]
fn shapes_change_without_moving_elements() {
    let reshape = |target: &[i64], attributes| {
        Builder::new(&[1, 2, 3]).constant(ints("s", &[target.len() as i64], target)).node("Reshape", "x s", "y", attributes)
    };
    assert_eq!(reshape(&[0, -1], vec![]).run(&count(6)), (vec![1, 6], count(6)));
    assert_eq!(reshape(&[3, 2], vec![]).run(&count(6)).0, [3, 2]);
    assert!(reshape(&[0, 6], vec![int("allowzero", 1)]).refused().contains("Reshape_0` (Reshape)"));
    assert_eq!(Builder::new(&[1, 2, 3]).node("Flatten", "x", "y", vec![int("axis", 2)]).run(&count(6)).0, [2, 3]);
    assert_eq!(Builder::new(&[1, 2, 3]).node("Flatten", "x", "y", vec![int("axis", 0)]).run(&count(6)).0, [1, 6]);
    assert_eq!(Builder::new(&[1, 2, 1]).node("Squeeze", "x", "y", vec![]).run(&count(2)).0, [2]);
    assert_eq!(Builder::new(&[1, 2, 1]).opset(11).node("Squeeze", "x", "y", vec![list("axes", &[-1])]).run(&count(2)).0, [1, 2]);
    let unsqueeze = Builder::new(&[2]).constant(ints("a", &[2], &[0, -1])).node("Unsqueeze", "x a", "y", vec![]);
    assert_eq!(unsqueeze.run(&count(2)).0, [1, 2, 1]);
    assert_eq!(Builder::new(&[2]).node("Dropout", "x", "y", vec![]).run(&count(2)).1, [0.0, 1.0]);
    assert_eq!(Builder::new(&[2]).node("Identity", "x", "y", vec![]).run(&count(2)).1, [0.0, 1.0]);
    assert_eq!(Builder::new(&[2]).node("Cast", "x", "y", vec![int("to", 1)]).run(&count(2)).1, [0.0, 1.0]);
}

#[test]
fn elements_are_chosen_and_joined() {
    let transposed = Builder::new(&[1, 2, 3]).node("Transpose", "x", "y", vec![list("perm", &[2, 0, 1])]);
    assert_eq!(transposed.run(&count(6)), (vec![3, 1, 2], vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0]));
    let concat = Builder::new(&[1, 2]).constant(floats("c", &[1, 1], &[9.0])).node("Concat", "x c x", "y", vec![int("axis", -1)]);
    assert_eq!(concat.run(&count(2)), (vec![1, 5], vec![0.0, 1.0, 9.0, 0.0, 1.0]));
    let rows = Builder::new(&[2, 2]).node("Concat", "x x", "y", vec![int("axis", 1)]);
    assert_eq!(rows.run(&count(4)).1, [0.0, 1.0, 0.0, 1.0, 2.0, 3.0, 2.0, 3.0]);
    let gather = Builder::new(&[2, 3]).constant(ints("i", &[2, 1], &[2, -3])).node("Gather", "x i", "y", vec![int("axis", 1)]);
    assert_eq!(gather.run(&count(6)), (vec![2, 2, 1], vec![2.0, 0.0, 5.0, 3.0]));
    let scalar = Builder::new(&[1, 3]).constant(ints("i", &[], &[1])).node("Gather", "x i", "y", vec![int("axis", 1)]);
    assert_eq!(scalar.run(&count(3)), (vec![1], vec![1.0]));
    let expand = Builder::new(&[2, 1]).constant(ints("s", &[3], &[2, 1, 2])).node("Expand", "x s", "y", vec![]);
    assert_eq!(expand.run(&count(2)), (vec![2, 2, 2], vec![0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0]));
}

#[test]
fn slices_by_attributes_and_by_inputs() {
    let old = Builder::new(&[1, 5]).opset(9).node("Slice", "x", "y", vec![list("starts", &[1]), list("ends", &[-1]), list("axes", &[1])]);
    assert_eq!(old.run(&count(5)), (vec![1, 3], vec![1.0, 2.0, 3.0]));
    let given = |starts: i64, ends: i64, step: i64| {
        let one = |name: &str, v: i64| ints(name, &[1], &[v]);
        let builder =
            Builder::new(&[1, 5]).constant(one("s", starts)).constant(one("e", ends)).constant(one("a", 1)).constant(one("t", step));
        builder.node("Slice", "x s e a t", "y", vec![])
    };
    assert_eq!(given(1, i64::MAX, 2).run(&count(5)).1, [1.0, 3.0]);
    assert_eq!(given(-1, i64::MIN, -2).run(&count(5)).1, [4.0, 2.0, 0.0]);
    assert!(given(3, 1, 1).refused().contains("without elements"));
    assert!(given(3, 1, 0).refused().contains("a step of 0"));
}

#[test]
fn a_split_has_several_outputs() {
    let old = Builder::new(&[1, 5]).opset(11).node("Split", "x", "a y", vec![int("axis", 1), list("split", &[2, 3])]);
    assert_eq!(old.run(&count(5)), (vec![1, 3], vec![2.0, 3.0, 4.0]));
    let even = Builder::new(&[1, 4]).node("Split", "x", "a b", vec![int("axis", 1)]).node("Sub", "b a", "y", vec![]);
    assert_eq!(even.run(&count(4)).1, [2.0, 2.0]);
    let uneven = Builder::new(&[1, 5]).opset(18).node("Split", "x", "a y", vec![int("axis", 1), int("num_outputs", 2)]);
    assert_eq!(uneven.run(&count(5)).1, [3.0, 4.0]);
    let both = Builder::new(&[1, 5]).opset(18).node("Split", "x", "a b", vec![int("axis", 1)]).outputs(&["b", "a"]);
    assert_eq!(both.run(&count(5)).1, [3.0, 4.0, 0.0, 1.0, 2.0]);
}

#[test]
fn pads_are_constants_edges_or_reflections() {
    let pad = |mode: &str, fill: f32| {
        let attributes = vec![list("pads", &[0, 1, 0, 2]), text("mode", mode), float("value", fill)];
        Builder::new(&[1, 3]).opset(10).node("Pad", "x", "y", attributes).run(&[5.0, 6.0, 7.0]).1
    };
    assert_eq!(pad("constant", 0.0), [0.0, 5.0, 6.0, 7.0, 0.0, 0.0]);
    assert_eq!(pad("constant", 2.5), [2.5, 5.0, 6.0, 7.0, 2.5, 2.5]);
    assert_eq!(pad("edge", 0.0), [5.0, 5.0, 6.0, 7.0, 7.0, 7.0]);
    assert_eq!(pad("reflect", 0.0), [6.0, 5.0, 6.0, 7.0, 6.0, 5.0]);
    let inputs =
        Builder::new(&[1, 2]).constant(ints("p", &[2], &[1, 0])).constant(floats("v", &[], &[3.0])).constant(ints("a", &[1], &[1]));
    assert_eq!(inputs.opset(18).node("Pad", "x p v a", "y", vec![]).run(&count(2)).1, [3.0, 0.0, 1.0]);
}

#[test]
fn whole_factors_repeat_elements() {
    let scales = || floats("s", &[3], &[1.0, 1.0, 2.0]);
    let up = Builder::new(&[1, 1, 2]).opset(9).constant(scales()).node("Upsample", "x s", "y", vec![text("mode", "nearest")]);
    assert_eq!(up.run(&count(2)), (vec![1, 1, 4], vec![0.0, 0.0, 1.0, 1.0]));
    let resize = |attributes| Builder::new(&[1, 1, 2]).constant(scales()).node("Resize", "x _ s", "y", attributes);
    assert_eq!(resize(vec![]).run(&count(2)).1, [0.0, 0.0, 1.0, 1.0]);
    let floor = vec![text("coordinate_transformation_mode", "asymmetric"), text("nearest_mode", "floor")];
    assert_eq!(resize(floor).run(&count(2)).1, [0.0, 0.0, 1.0, 1.0]);
    assert!(resize(vec![text("mode", "linear")]).refused().contains("mode `linear` is not supported"));
    let sized = Builder::new(&[1, 1, 2]).constant(ints("n", &[3], &[1, 1, 6])).node("Resize", "x _ _ n", "y", vec![]);
    assert_eq!(sized.run(&count(2)).0, [1, 1, 6]);
}

#[test]
fn shapes_are_computed_exactly_and_leave_no_nodes() {
    // Reshape to (batch, -1) with the batch taken from Shape, as exporters write it.
    let builder = Builder::new(&[-1, 2, 3]).constant(ints("zero", &[], &[0])).constant(ints("open", &[1], &[-1]));
    let builder = builder.node("Shape", "x", "shape", vec![]).node("Gather", "shape zero", "batch", vec![]);
    let builder = builder.constant(ints("axes", &[1], &[0])).node("Unsqueeze", "batch axes", "row", vec![]);
    let builder = builder.node("Concat", "row open", "target", vec![int("axis", 0)]).node("Reshape", "x target", "y", vec![]);
    let graph = builder.load();
    assert_eq!((graph.nodes.len(), graph.nodes[1].shape.as_slice()), (2, [1, 6].as_slice()));
    let fill = tensor("value", ints("", &[1], &[7]));
    let filled = Builder::new(&[2]).constant(ints("s", &[1], &[2])).node("ConstantOfShape", "s", "c", vec![fill]);
    let filled = filled.node("Cast", "c", "f", vec![int("to", 1)]).node("Add", "x f", "y", vec![]);
    assert_eq!(filled.run(&count(2)).1, [7.0, 8.0]);
    let division = Builder::new(&[6]).constant(ints("a", &[1], &[7])).constant(ints("b", &[], &[3]));
    let division = division.node("Div", "a b", "q", vec![]).constant(ints("open", &[1], &[-1]));
    let division = division.node("Concat", "q open", "s", vec![int("axis", 0)]).node("Reshape", "x s", "y", vec![]);
    assert_eq!(division.run(&count(6)).0, [2, 3]);
}

#[test]
fn constants_come_in_every_attribute() {
    let add = |attribute| Builder::new(&[1, 2]).node("Constant", "", "c", vec![attribute]).node("Add", "x c", "y", vec![]).run(&count(2)).1;
    assert_eq!(add(float("value_float", 2.0)), [2.0, 3.0]);
    assert_eq!(add(AttributeProto { floats: vec![1.0, 2.0], ..attribute("value_floats") }), [1.0, 3.0]);
    assert_eq!(add(tensor("value", floats("", &[2], &[5.0, 6.0]))), [5.0, 7.0]);
    let reshape =
        |attribute| Builder::new(&[2]).node("Constant", "", "c", vec![attribute]).node("Reshape", "x c", "y", vec![]).run(&count(2)).0;
    assert_eq!(reshape(list("value_ints", &[2, 1])), [2, 1]);
    let squeeze =
        Builder::new(&[1, 2]).node("Constant", "", "c", vec![int("value_int", 1)]).node("Gather", "x c", "y", vec![int("axis", 1)]);
    assert_eq!(squeeze.run(&count(2)).1, [1.0]);
}

#[test]
fn a_constant_condition_chooses() {
    let builder = Builder::new(&[1, 2]).constant(ints("a", &[2], &[1, 2])).constant(ints("b", &[], &[2]));
    let builder = builder.constant(floats("c", &[1], &[9.0])).node("Equal", "a b", "is", vec![]).node("Where", "is x c", "y", vec![]);
    assert_eq!(builder.run(&[4.0, 5.0]), (vec![1, 2], vec![9.0, 5.0]));
}

#[test]
fn several_inputs_and_outputs_are_concatenated() {
    let builder = Builder::new(&[2]).input(value_info("z", element::FLOAT, &[1, 1])).node("Add", "x z", "s", vec![]);
    let graph = builder.node("Relu", "x", "r", vec![]).outputs(&["s", "r", "z"]).load();
    assert_eq!((graph.input_len(), graph.output_len()), (3, 5));
    assert_eq!(graph.output_f64(&[1.0, -2.0, 10.0]), [11.0, 8.0, 1.0, 0.0, 10.0]);
}

#[test]
fn an_input_with_a_default_is_a_constant_and_dead_nodes_are_left_out() {
    let builder = Builder::new(&[2]).input(value_info("w", element::FLOAT, &[2])).constant(floats("w", &[2], &[1.0, 2.0]));
    let graph = builder.node("Einsum", "x", "dead", vec![]).node("Mul", "x w", "y", vec![]).load();
    assert_eq!((graph.inputs.len(), graph.nodes.len()), (1, 2));
    // Nodes out of order are put in order.
    let swapped = Builder::new(&[1]).node("Relu", "h", "y", vec![]).node("Neg", "x", "h", vec![]);
    assert_eq!(swapped.run(&[-3.0]).1, [3.0]);
}
