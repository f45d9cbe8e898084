//! What of some packets is of conversations: of connections of this host, or from addresses that it answers. Who forges addresses
//! gets no answers that anybody sends to conversations, and knows no connection.

use foldhash::{HashMap, HashSet};
use nettop_common::{Address, Event, TrafficClass};

use crate::detect::{
    DetectInput,
    floods::{ACKNOWLEDGED, MANY},
};

/// Counts of the same packets by different means differ by less.
const ABOUT: f64 = 1.1;

/// What of some packets is of conversations.
pub struct Conversing {
    /// Their share.
    pub share: f64,
    /// The share of the sources that this host answers; `None`: what it sends is not counted.
    pub answered: Option<f64>,
    /// These sources.
    sources: HashSet<Address>,
}

impl Conversing {
    /// Of packets of a class, of which there are so many per second; `None`: nothing tells.
    pub fn of(scene: &DetectInput, class: TrafficClass, events: &[&Event], pps: f64) -> Option<Self> {
        let (answers, least) = answers(class)?;
        if events.is_empty() || !scene.counts_egress && scene.sockets.is_none() {
            return None;
        }
        let mut weights: HashMap<Address, f64> = HashMap::default();
        events.iter().for_each(|event| *weights.entry(event.source).or_default() += f64::from(event.weight));
        let each = scene.samples.dropped();
        let is_answered = |source: &Address, weight: f64| {
            let talk = (scene.conversation)(source);
            // An address without an account has sent at least what of it was sampled.
            talk.sent >= f64::max(talk.received, weight * each) * least
        };
        let mut found = Self { share: 0.0, answered: None, sources: HashSet::default() };
        if scene.counts_egress {
            found.sources =
                weights.iter().filter(|(ip, weight)| is_answered(ip, **weight)).map(|(ip, _)| *ip).collect();
            found.answered = Some(found.sources.len() as f64 / weights.len() as f64);
        }
        let [mut connected, mut answered, mut all] = [0.0; 3];
        for event in events {
            let weight = f64::from(event.weight);
            all += weight;
            if is_connected(scene, event) {
                connected += weight;
            } else if found.sources.contains(&event.source) {
                answered += weight;
            }
        }
        // What this host sends is counted by class, but not of each address: refusals are no answers.
        let sent: f64 = answers.iter().map(|class| scene.per_second(scene.sent.of_class(*class))).sum();
        let accepted = 1.0 - refused(scene, class) / pps - connected / all;
        let most = f64::min(sent / (pps * least), accepted).max(0.0) * all;
        if answered > most * ABOUT {
            // Nobody knows who of them is answered, and who is refused: none is excused.
            found.answered = found.answered.map(|share| share * most / answered);
            found.sources.clear();
            answered = 0.0;
        }
        found.share = (connected + answered) / all;
        Some(found)
    }

    /// Whether a packet is of one.
    pub fn has(&self, scene: &DetectInput, event: &Event) -> bool {
        self.sources.contains(&event.source) || is_connected(scene, event)
    }
}

fn is_connected(scene: &DetectInput, event: &Event) -> bool {
    scene.sockets.is_some_and(|sockets| sockets.takers.is_connected(event))
}

/// What this host sends to whom it converses with that sends it packets of a class, and how many of it for each of these at least; `None`:
/// whether it answers says nothing.
fn answers(class: TrafficClass) -> Option<(&'static [TrafficClass], f64)> {
    use TrafficClass::{Ack, Data, Fragment, Other, Udp};
    match class {
        Ack | Data => Some((&[Ack, Data], ACKNOWLEDGED)),
        Udp | Fragment => Some((&[Udp, Fragment], MANY)),
        Other => Some((&[Other], MANY)),
        _ => None,
    }
}

/// Packets of a class per second that this host refuses.
fn refused(scene: &DetectInput, class: TrafficClass) -> f64 {
    match class {
        TrafficClass::Ack | TrafficClass::Data => scene.per_second(scene.sent.of_class(TrafficClass::Rst)),
        TrafficClass::Udp => scene.host.map_or(0.0, |host| host.no_port + host.no_room),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use nettop_collect::sockets::{Census, Process, SocketProtocol, SocketRow};
    use nettop_common::TrafficClass::{Ack, Data, Icmp, Other, Rst, Syn, SynAck, Udp};
    use nettop_model::snapshot::Alert;

    use crate::detect::{sockets::SocketFacts, takers::Takers, testing::*};

    /// A socket of 192.0.2.1, whose other end is 10.0.0.`remote`; 0: it has none.
    fn socket(protocol: SocketProtocol, port: u16, remote: u8) -> SocketRow {
        let remote_port = if remote > 0 { 40_000 } else { 0 };
        let (local, remote) = ([192, 0, 2, 1].into(), [10, 0, 0, remote].into());
        let state = if protocol == SocketProtocol::Tcp && remote_port == 0 { 10 } else { 1 };
        SocketRow {
            protocol,
            state,
            local,
            local_port: port,
            remote,
            remote_port,
            owner: Some(0),
            ..SocketRow::default()
        }
    }

    fn facts(sockets: Vec<SocketRow>) -> Option<SocketFacts> {
        let processes = vec![Process { pid: 7, name: "server".into(), ..Process::default() }];
        let takers = Takers::of(&Census { sockets, processes, ..Census::default() });
        Some(SocketFacts { takers, ..SocketFacts::default() })
    }

    /// Kinds of alerts and what they rest on, where this host sends that, and has these sockets.
    fn said(flows: &[Flow], sends: &[Sending], sockets: Vec<SocketRow>) -> Vec<String> {
        let play = known(flows, |play| {
            (play.sends, play.counts_egress, play.sockets) = (sends.to_vec(), true, facts(sockets));
            // It shows no harm.
            play.host = Some(host(&[]));
        });
        let words = |alert: &Alert| match &*alert.kind {
            "heavy-traffic" => alert.message.clone(),
            kind => format!("{kind}: {}", alert.evidence.join("; ").replace("; this host shows no harm", "")),
        };
        play.all().iter().map(words).collect()
    }

    #[test]
    fn who_is_answered_sends_no_flood_of_datagrams() {
        let game = udp(40_000, 27_015, 12_000).sources(300).length(200);
        let bots = game.from([10, 9, 0, 0]);
        let back = |class, packets| sends(class, packets).to([10, 0, 0, 0], 300);
        let connected = || (1..=255).map(|remote| socket(SocketProtocol::Udp, 27_015, remote)).collect::<Vec<_>>();
        const HEAVY: &str = "heavy traffic, UDP to 192.0.2.1: 12.0k pps, 19.2 Mbit/s; this host answers it";
        let none = |sends: &[Sending]| said(&[game], sends, vec![]);
        let one = |port| said(&[game], &[], vec![socket(SocketProtocol::Udp, port, 0)]);
        check([
            ("answered", none(&[back(Udp, 6000)]), &[HEAVY][..]),
            ("hardly", none(&[back(Udp, 2000)]), &["udp-flood: answers go to 0 % of the sources"]),
            ("refused", none(&[back(Icmp, 12_000)]), &["udp-flood: answers go to 0 % of the sources"]),
            (
                "refused, while others are answered",
                none(&[back(Icmp, 12_000), sends(Udp, 900).to([10, 9, 0, 0], 9)]),
                &["udp-flood: answers go to 25 % of the sources"],
            ),
            (
                "some are answered",
                none(&[sends(Udp, 6000).to([10, 0, 0, 0], 60)]),
                &["udp-flood: answers go to 20 % of the sources"],
            ),
            (
                "as many answers, to others",
                none(&[sends(Udp, 12_000).to([10, 1, 0, 0], 300)]),
                &["udp-flood: answers go to 0 % of the sources"],
            ),
            (
                "IPv6",
                said(&[game.v6()], &[back(Udp, 6000).v6()], vec![]),
                &["heavy traffic, UDP to 2001:db8::c000:201: 12.0k pps, 19.2 Mbit/s; this host answers it"],
            ),
            (
                "bots beside players",
                said(&[game, bots], &[back(Udp, 12_000)], vec![]),
                &["udp-flood: not counted: 50 % of what comes, which is of conversations of this host"],
            ),
            (
                "one that sends little beside players",
                said(&[game, udp(1, 27_015, 2000).from([10, 9, 0, 0])], &[back(Udp, 12_000)], vec![]),
                &["heavy traffic, UDP to 192.0.2.1: 14.0k pps, 20.2 Mbit/s; this host answers it"],
            ),
            (
                "of connected sockets",
                said(&[game.sources(200)], &[], connected()),
                &[
                    "heavy traffic, UDP to 192.0.2.1: 12.0k pps, 19.2 Mbit/s; sockets of this host are connected to its senders",
                ],
            ),
            (
                "to a socket that takes all",
                one(27_015),
                &["udp-flood: answers go to 0 % of the sources; it goes to a socket of server (pid 7)"],
            ),
            (
                "to none",
                one(53),
                &["udp-flood: answers go to 0 % of the sources; no socket of this host is at port 27015"],
            ),
            (
                "to another host, whose sockets are not known",
                said(&[game.to([192, 0, 2, 2])], &[], vec![socket(SocketProtocol::Udp, 53, 0)]),
                &["udp-flood: answers go to 0 % of the sources"],
            ),
        ]);
    }

    #[test]
    fn segments_of_connections_are_no_flood_and_resets_are_no_answers() {
        let acks = tcp(443, ACK, 12_000).sources(300);
        let back = |class, packets| sends(class, packets).to([10, 0, 0, 0], 300);
        let connected = || (1..=255).map(|remote| socket(SocketProtocol::Tcp, 443, remote)).collect::<Vec<_>>();
        let ssh = || vec![socket(SocketProtocol::Tcp, 22, 0)];
        let client = [tcp(443, SYN, 10), tcp(443, ACK, 12_000)];
        let few = |class| [sends(class, 6000).to([10, 0, 0, 0], 30)];
        check([
            ("downloads", said(&[acks], &[back(Data, 20_000)], vec![]), &[][..]),
            ("uploads", said(&[acks.data().length(1400)], &[back(Ack, 400)], vec![]), &[]),
            ("of connections that the census has", said(&[acks.sources(200)], &[], connected()), &[]),
            (
                "reset",
                said(&[acks], &[back(Rst, 12_000)], vec![]),
                &[
                    "ack-flood: 100 % of it is of sources that never opened a connection; answers go to 0 % of the sources",
                ],
            ),
            (
                "nothing",
                said(&[acks], &[], vec![]),
                &[
                    "ack-flood: 100 % of it is of sources that never opened a connection; answers go to 0 % of the sources",
                ],
            ),
            (
                "SYNs to a closed port",
                said(&[tcp(81, SYN, 3000).sources(300)], &[back(Rst, 3000)], ssh()),
                &[
                    "syn-flood: 100 % of the SYNs are of sources that complete no handshake; no socket of this host is at port 81",
                ],
            ),
            (
                "SYNs to an open one",
                said(&[tcp(22, SYN, 3000).sources(300)], &[back(SynAck, 3000)], ssh()),
                &[
                    "syn-flood: 100 % of the SYNs are of sources that complete no handshake; it goes to a socket of server (pid 7)",
                ],
            ),
            ("this host is refused", said(&[tcp(40_000, RST, 6000).sources(30)], &few(Syn), vec![]), &[]),
            ("this host connects", said(&[tcp(40_000, SYN | ACK, 6000).sources(30)], &few(Syn), vec![]), &[]),
            (
                "resets that answer nothing",
                said(&[tcp(40_000, RST, 6000).sources(30)], &few(Data), vec![]),
                &["rst-flood: more resets than connections were opened"],
            ),
            ("a busy client", said(&client, &[sends(Data, 20_000).to([10, 0, 0, 0], 1)], vec![]), &[]),
            (
                "one that gets nothing",
                said(&client, &[], vec![]),
                &["high-pps: their number; what the source is sent, where that is counted"],
            ),
            (
                "a tunnel",
                said(&[flow(47, (0, 0), 6000).sources(30)], &few(Other), vec![]),
                &["heavy traffic, protocol to 192.0.2.1: 6.00k pps, 2.88 Mbit/s; this host answers it"],
            ),
        ]);
    }
}
