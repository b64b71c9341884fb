//! The and/or tree of a query and its disjunctive normal form, without recursion.

use crate::numerics::Decimal;

/// An element of a declared variable, numbered apart for inputs, outputs and hidden variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Element {
    Input(u32),
    Output(u32),
    Hidden(u32),
}

/// A linear expression: terms in any order, perhaps repeated, and a constant.
#[derive(Clone, Debug, Default)]
pub(super) struct Linear {
    pub terms: Vec<(Element, Decimal)>,
    pub constant: Option<Decimal>,
}

/// A comparison that a counterexample satisfies.
#[derive(Clone, Debug)]
pub(super) enum Claim {
    /// `element >= value`, or `>` if strict.
    Lower(Element, Decimal),
    /// `element <= value`, or `<` if strict.
    Upper(Element, Decimal),
    /// `linear >= 0`, or `> 0` if strict; terms ascending and distinct.
    Linear(Box<Linear>),
    /// A comparison whose variables cancel.
    Truth(bool),
}

/// A [`Claim`] and where it is written.
#[derive(Clone, Debug)]
pub(super) struct Atom {
    pub claim: Claim,
    pub strict: bool,
    pub at: usize,
}

impl Atom {
    /// True if outputs (or hidden values) take part: such atoms are asked, the others make the region.
    pub fn is_asked(&self) -> bool {
        let inner = |element: &Element| !matches!(element, Element::Input(_));
        match &self.claim {
            Claim::Lower(element, _) | Claim::Upper(element, _) => inner(element),
            Claim::Linear(linear) => linear.terms.iter().any(|(element, _)| inner(element)),
            Claim::Truth(_) => false,
        }
    }
}

/// Index of a node of a [`Formula`].
pub(super) type NodeId = u32;
/// Index of an atom of a [`Formula`].
pub(super) type AtomId = u32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Connective {
    And,
    Or,
}

/// How large a disjunctive normal form is; saturates instead of overflowing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Size {
    pub disjuncts: f64,
    /// Atoms over all disjuncts.
    pub atoms: f64,
}

impl Size {
    pub const ONE: Size = Size { disjuncts: 1.0, atoms: 0.0 };
    const NONE: Size = Size { disjuncts: 0.0, atoms: 0.0 };

    pub fn and(self, other: Size) -> Size {
        let atoms = self.atoms * other.disjuncts + other.atoms * self.disjuncts;
        Size { disjuncts: (self.disjuncts * other.disjuncts).min(f64::MAX), atoms: atoms.min(f64::MAX) }
    }

    fn or(self, other: Size) -> Size {
        Size { disjuncts: (self.disjuncts + other.disjuncts).min(f64::MAX), atoms: (self.atoms + other.atoms).min(f64::MAX) }
    }
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Atom(AtomId),
    /// First and last child.
    Group(Connective, NodeId, NodeId),
}

/// A node; siblings form a linked list, so that nested groups of one kind are merged in constant time.
#[derive(Clone, Copy, Debug)]
struct Node {
    kind: Kind,
    next: NodeId,
    size: Size,
    /// Has an atom over inputs alone.
    bounds: bool,
    /// Has an atom over outputs.
    asks: bool,
}

const NO_NODE: NodeId = NodeId::MAX;

/// An and/or tree over atoms; groups have at least two children and alternate.
#[derive(Clone, Debug, Default)]
pub(super) struct Formula {
    pub atoms: Vec<Atom>,
    nodes: Vec<Node>,
}

impl Formula {
    pub fn add_atom(&mut self, atom: Atom) -> NodeId {
        let asks = atom.is_asked();
        let kind = Kind::Atom(self.atoms.len() as AtomId);
        self.atoms.push(atom);
        self.push(Node { kind, next: NO_NODE, size: Size { disjuncts: 1.0, atoms: 1.0 }, bounds: !asks, asks })
    }

    /// Joins at least one node, each of which has no other parent.
    pub fn add_group(&mut self, connective: Connective, children: &[NodeId]) -> NodeId {
        if let [only] = children {
            return *only;
        }
        let (mut first, mut last) = (NO_NODE, NO_NODE);
        let neutral = if connective == Connective::And { Size::ONE } else { Size::NONE };
        let (mut size, mut bounds, mut asks) = (neutral, false, false);
        for &child in children {
            let node = self.nodes[child as usize];
            size = if connective == Connective::And { size.and(node.size) } else { size.or(node.size) };
            (bounds, asks) = (bounds | node.bounds, asks | node.asks);
            let (head, tail) = match node.kind {
                Kind::Group(same, head, tail) if same == connective => (head, tail),
                _ => (child, child),
            };
            if last == NO_NODE {
                first = head;
            } else {
                self.nodes[last as usize].next = head;
            }
            last = tail;
        }
        self.push(Node { kind: Kind::Group(connective, first, last), next: NO_NODE, size, bounds, asks })
    }

    fn push(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        (self.nodes.len() - 1) as NodeId
    }

    /// True once no further node fits.
    pub fn is_full(&self) -> bool {
        self.nodes.len() >= (NO_NODE / 2) as usize
    }

    pub fn size(&self, node: NodeId) -> Size {
        self.nodes[node as usize].size
    }

    pub fn as_atom(&self, node: NodeId) -> Option<AtomId> {
        match self.nodes[node as usize].kind {
            Kind::Atom(atom) => Some(atom),
            Kind::Group(..) => None,
        }
    }

    pub fn has_bounds(&self, node: NodeId) -> bool {
        self.nodes[node as usize].bounds
    }

    pub fn asks(&self, node: NodeId) -> bool {
        self.nodes[node as usize].asks
    }

    /// The conjuncts of a node: its children if it is an `and`, else itself.
    pub fn conjuncts(&self, node: NodeId) -> Vec<NodeId> {
        match self.nodes[node as usize].kind {
            Kind::Group(Connective::And, first, _) => self.siblings(first).collect(),
            _ => vec![node],
        }
    }

    fn siblings(&self, first: NodeId) -> impl Iterator<Item = NodeId> {
        let next = |node: &NodeId| Some(self.nodes[*node as usize].next).filter(|&next| next != NO_NODE);
        std::iter::successors(Some(first), next)
    }

    /// The disjunctive normal form of the conjunction of `nodes`: ascending atoms per disjunct. Check the size first.
    pub fn disjuncts(&self, nodes: &[NodeId]) -> Vec<Vec<AtomId>> {
        let parts: Vec<_> = nodes.iter().map(|&node| self.disjuncts_of(node)).collect();
        let mut all = cross(parts);
        all.iter_mut().for_each(|disjunct| disjunct.sort_unstable());
        all
    }

    fn disjuncts_of(&self, root: NodeId) -> Vec<Vec<AtomId>> {
        enum Step {
            Visit(NodeId),
            Combine(Connective, usize),
        }
        let mut steps = vec![Step::Visit(root)];
        let mut done: Vec<Vec<Vec<AtomId>>> = Vec::new();
        while let Some(step) = steps.pop() {
            match step {
                Step::Visit(node) => match self.nodes[node as usize].kind {
                    Kind::Atom(atom) => done.push(vec![vec![atom]]),
                    Kind::Group(connective, first, _) => {
                        let start = steps.len();
                        steps.push(Step::Combine(connective, done.len()));
                        let (atoms, groups) = self.split_children(first, connective);
                        done.extend(atoms.map(|atoms| vec![atoms]));
                        steps.extend(groups.into_iter().map(Step::Visit));
                        // The first child is on top of the stack.
                        steps[start + 1..].reverse();
                    }
                },
                Step::Combine(connective, start) => {
                    let parts: Vec<_> = done.drain(start..).collect();
                    done.push(if connective == Connective::And { cross(parts) } else { parts.into_iter().flatten().collect() });
                }
            }
        }
        done.pop().expect("the root leaves its list")
    }

    /// The children of an `and`, its atoms in one conjunction: most conjunctions are bounds, one per input.
    fn split_children(&self, first: NodeId, connective: Connective) -> (Option<Vec<AtomId>>, Vec<NodeId>) {
        if connective == Connective::Or {
            return (None, self.siblings(first).collect());
        }
        let (mut atoms, mut groups) = (Vec::new(), Vec::new());
        for node in self.siblings(first) {
            match self.as_atom(node) {
                Some(atom) => atoms.push(atom),
                None => groups.push(node),
            }
        }
        ((!atoms.is_empty()).then_some(atoms), groups)
    }
}

/// All ways to take one conjunction of each part, joined.
fn cross(parts: Vec<Vec<Vec<AtomId>>>) -> Vec<Vec<AtomId>> {
    let mut all = vec![Vec::new()];
    for mut part in parts {
        if let [only] = &mut all[..] {
            part.iter_mut().for_each(|conjunction| conjunction.extend_from_slice(only));
            all = part;
        } else {
            let join = |a: &Vec<AtomId>| part.iter().map(|b| [&a[..], b].concat()).collect::<Vec<_>>();
            all = all.iter().flat_map(join).collect();
        }
    }
    all
}
