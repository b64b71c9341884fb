use std::time::Instant;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let read = |i: usize| std::fs::read(&a[i]).unwrap();
    let (m, q, c) = (read(1), read(2), read(3));
    let net = checker::read::onnx::network(&m).unwrap();
    let query = checker::read::vnnlib::query(&q).unwrap();
    let s = checker::certificate::Container::read(&c).unwrap().semantics;
    for (i, n) in net.nodes.iter().enumerate() { let o = format!("{:?}", n.operation); eprintln!("{i} {} {} {:?} {}", n.name, n.len, n.inputs, &o[..o.len().min(60)]); }
    let t = Instant::now();
    let r = checker::check_all(&net, &query, s, &c, a.get(4).map_or(1, |x| x.parse().unwrap()));
    match r { Ok((acc, rej)) => { println!("{acc:?} {} rejected", rej.len()); for r in rej.iter().take(5) { println!("{r}"); } } Err(r) => println!("{r}") }
    println!("{:?}", t.elapsed());
}
