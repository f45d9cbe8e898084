//! What is made is what the recipe says.

use std::collections::BTreeMap;

use nettop_common::{Frame, LinkLayer, packet};
use nettop_scenarios::{
    packet::{
        Packet, What,
        flags::{ACK, RST, SYN},
        host,
    },
    recipe::Recipes,
    render::Renderer,
    world::World,
};

/// The packets of a scenario with no other traffic, and when it begins.
fn packets(text: &str) -> (Vec<Packet>, u64) {
    named("one", text)
}

fn named(name: &str, text: &str) -> (Vec<Packet>, u64) {
    let mut recipes = Recipes::default();
    recipes.add("[[mix]]\nname = \"none\"").expect("a mix");
    recipes
        .add(&format!("[[scenario]]\nname = \"{name}\"\nbackground = \"none\"\nbefore = 1\nafter = 1\n{text}"))
        .expect("a recipe");
    let mut world = World::new(&recipes.scenarios[0], &recipes).expect("a recipe that can be made");
    let mut all = Vec::new();
    let begins_ns = world.begins_ns;
    while let Some(step) = world.next_step() {
        all.extend_from_slice(step);
    }
    (all, begins_ns)
}

fn come_in(packets: &[Packet]) -> impl Iterator<Item = &Packet> {
    packets.iter().filter(|packet| !packet.is_out)
}

#[test]
fn rates_are_exact() {
    for (name, flow, expected) in [
        ("a flood", "send = \"udp\"\nrate = 12345", 12_345 * 3),
        ("less than one a second", "send = \"udp\"\nrate = 0.5", 1),
        ("later, and shorter", "send = \"udp\"\nrate = 1000\nstart = 1\nseconds = 0.5", 500),
        ("bursts", "send = \"udp\"\nrate = 1000\non = 0.3\nevery = 1.0", 900),
    ] {
        let (packets, begins_ns) = packets(&format!("seconds = 3\n[[scenario.flow]]\n{flow}"));
        let count = come_in(&packets).count();
        assert!(count.abs_diff(expected) <= 1, "{name}: {count} packets, and not {expected}");
        let outside =
            come_in(&packets).filter(|packet| !(begins_ns..begins_ns + 3_000_000_000).contains(&packet.at_ns));
        assert_eq!(outside.count(), 0, "{name}");
    }
    let (packets, begins_ns) =
        packets("seconds = 3\n[[scenario.flow]]\nsend = \"udp\"\nrate = 1000\non = 0.3\nevery = 1.0");
    let outside = come_in(&packets).filter(|packet| (packet.at_ns - begins_ns) % 1_000_000_000 >= 301_000_000);
    assert_eq!(outside.count(), 0, "between the bursts there is nothing");
    assert!(packets.is_sorted_by_key(|packet| packet.at_ns));
}

#[test]
fn a_connection_has_two_sides() {
    let (packets, _) = packets(
        "[[scenario.flow]]\ntalk = \"tcp\"\nrate = 10\nseconds = 1\nsources = 5\nrequest = 100\nresponse = 20000",
    );
    let flags = |is_out, flags| {
        packets.iter().filter(|packet| packet.is_out == is_out && packet.what == What::Tcp(flags)).count()
    };
    assert_eq!((flags(false, SYN), flags(true, SYN | ACK)), (10, 10));
    let sent: u32 = packets.iter().filter(|packet| packet.is_out).map(|packet| u32::from(packet.payload)).sum();
    let received: u32 = come_in(&packets).map(|packet| u32::from(packet.payload)).sum();
    assert_eq!((sent, received), (200_000, 1000));
    // Of each connection the SYN is first, and the answer to it next.
    let mut connections: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for packet in &packets {
        let far = if packet.is_out {
            (packet.destination, packet.destination_port)
        } else {
            (packet.source, packet.source_port)
        };
        connections.entry(far).or_default().push((packet.is_out, packet.what));
    }
    for (far, packets) in connections {
        assert_eq!(
            packets[..3],
            [(false, What::Tcp(SYN)), (true, What::Tcp(SYN | ACK)), (false, What::Tcp(ACK))],
            "{far:?}"
        );
    }
}

#[test]
fn the_host_may_be_the_one_that_asks() {
    let (packets, _) = packets(
        "[[scenario.flow]]\ntalk = \"udp\"\nours_asks = true\nport = 53\nrate = 10\nrequest = 50\nresponse = 150",
    );
    assert_eq!(
        packets.iter().filter(|packet| packet.is_out && packet.destination_port == 53 && packet.payload == 50).count(),
        60
    );
    assert_eq!(come_in(&packets).filter(|packet| packet.source_port == 53 && packet.payload == 150).count(), 60);
}

#[test]
fn strangers_are_answered_as_linux_does() {
    let answers = |flow: &str| {
        let (packets, _) = packets(&format!("seconds = 3\n[[scenario.flow]]\nrate = 3000\nsources = 100\n{flow}"));
        let mut answers: BTreeMap<_, u32> = BTreeMap::new();
        for packet in packets.iter().filter(|packet| packet.is_out) {
            assert_eq!(packet.source, host(false));
            *answers.entry(format!("{:?}", packet.what)).or_default() += 1;
        }
        answers.into_iter().collect::<Vec<_>>()
    };
    let all = |what: What, count| vec![(format!("{what:?}"), count)];
    assert_eq!(answers("send = \"syn\""), all(What::Tcp(SYN | ACK), 9000));
    assert_eq!(answers("send = \"syn\"\nport = 81"), all(What::Tcp(RST | ACK), 9000));
    assert_eq!(answers("send = \"ack\""), all(What::Tcp(RST), 9000));
    assert_eq!(answers("send = \"rst\""), []);
    assert_eq!(answers("send = \"null\""), []);
    assert_eq!(answers("send = \"icmp\""), all(What::Icmp(0, 0), 9000));
    // No more than 1,000 in each second of the clock, of which there are four.
    let [(what, count)] = &answers("send = \"udp\"")[..] else { panic!("one kind of answer") };
    assert!(*what == format!("{:?}", What::Icmp(3, 3)) && (3000..=4000).contains(count), "{what}: {count}");
}

#[test]
fn the_same_recipe_makes_the_same_packets_and_another_name_others() {
    let flow = "[[scenario.flow]]\nsend = \"syn\"\nrate = 500\nfrom = \"forged\"\n[[scenario.flow]]\ntalk = \"quic\"\nrate = 5\nsources = 9";
    let (one, _) = packets(flow);
    assert_eq!(one, packets(flow).0);
    assert_ne!(one, named("two", flow).0);
}

#[test]
fn frames_are_what_packets_say() {
    for (what, ipv6, protocol) in [
        (What::Tcp(SYN), false, 6),
        (What::Tcp(ACK), true, 6),
        (What::Udp, false, 17),
        (What::Udp, true, 17),
        (What::Icmp(8, 0), false, 1),
        (What::Icmp(128, 0), true, 58),
        (What::Protocol(47), false, 47),
        (What::Protocol(50), true, 50),
        (What::Fragment, false, 17),
        (What::Fragment, true, 17),
    ] {
        for payload in [0, 1, 7, 9, 1400] {
            let address = if ipv6 { "2001:db8::7" } else { "192.0.2.7" };
            let made = Packet {
                at_ns: 0,
                source: address.parse().expect("an address"),
                destination: host(ipv6),
                source_port: 1234,
                destination_port: 443,
                what,
                payload,
                is_out: false,
                is_local: false,
                belongs: false,
                again: false,
            };
            let mut renderer = Renderer::default();
            let (frame, length) = renderer.render(&made);
            let headers = frame.len() - usize::from(payload.min(8));
            assert_eq!(length, (headers + usize::from(payload)).max(60) as u64, "{made:?}");
            let found = packet::parse(Frame::from(frame), LinkLayer::Ethernet)
                .unwrap_or_else(|error| panic!("{made:?}: {error:?}"));
            assert_eq!((found.source.to_ip(), found.destination.to_ip()), (made.source, made.destination), "{made:?}");
            assert_eq!((found.protocol, found.fragment), (protocol, what == What::Fragment), "{made:?}");
            if let What::Tcp(flags) = what {
                assert_eq!((found.tcp_flags.get(), found.payload), (Some(flags), payload > 0), "{made:?}");
            }
            if matches!(what, What::Tcp(_) | What::Udp) {
                assert_eq!((found.source_port, found.destination_port), (1234, 443), "{made:?}");
            }
        }
    }
}
