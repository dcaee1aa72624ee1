// Random leases for rapidcheck. They need not make sense to a ledger: the store keeps what it is
// given.
#pragma once

#include "model/lease.hpp"

#include <rapidcheck.h>

#include <limits>
#include <memory>
#include <string>
#include <vector>

namespace portd::store::test {

template <typename T>
rc::Gen<std::optional<T>> maybe(rc::Gen<T> gen) {
    return rc::gen::oneOf(
        rc::gen::just(std::optional<T>{}),
        rc::gen::map(std::move(gen), [](T value) { return std::optional<T>(value); }));
}

template <typename Enum>
rc::Gen<Enum> word(Enum last) {
    return rc::gen::map(rc::gen::inRange(0, static_cast<int>(last) + 1),
                        [](int value) { return static_cast<Enum>(value); });
}

template <typename T>
rc::Gen<T> number() {
    return rc::gen::arbitrary<T>();
}

inline rc::Gen<model::Instant> instants() {
    return rc::gen::map(rc::gen::inRange<std::int64_t>(0, 10'000'000'000),
                        [](std::int64_t us) { return model::instant_from_us(us); });
}

// Any bytes but NUL: what the kernel gives as a path or command line.
inline rc::Gen<std::string> texts() {
    return rc::gen::container<std::string>(
        rc::gen::map(rc::gen::inRange(1, 256), [](int byte) { return static_cast<char>(byte); }));
}

inline rc::Gen<model::When> whens() {
    return rc::gen::exec([] {
        return model::When{*maybe(instants()), *maybe(instants()), *word(Provenance::unknown)};
    });
}

inline rc::Gen<model::Endpoint> endpoints() {
    return rc::gen::exec([] {
        model::Endpoint endpoint;
        endpoint.address.family = *word(Family::ipv6);
        const std::size_t size = endpoint.address.family == Family::ipv4 ? 4 : 16;
        for (std::size_t i = 0; i < size; ++i)
            endpoint.address.bytes[i] = *number<std::uint8_t>();
        endpoint.port = *number<std::uint16_t>();
        return endpoint;
    });
}

inline rc::Gen<model::ProcessRef> processes() {
    return rc::gen::exec([]() -> model::ProcessRef {
        auto process = std::make_shared<model::Process>();
        // Few pids and starts, so that images of one process meet.
        process->key = {*rc::gen::inRange(0, 3), model::instant_from_us(*rc::gen::inRange(0, 2))};
        process->command = *texts();
        process->executable = *maybe(texts());
        process->arguments = *maybe(texts());
        process->uid = *maybe(number<std::uint32_t>());
        process->gid = *maybe(number<std::uint32_t>());
        process->login_uid = *maybe(number<std::uint32_t>());
        process->control_group = *maybe(texts());
        process->unit = *maybe(texts());
        process->slice = *maybe(texts());
        process->container = *maybe(texts());
        const int ancestors = *rc::gen::inRange(0, 5);
        for (int i = 0; i < ancestors; ++i)
            process->ancestors.push_back({*number<std::int32_t>(), *texts()});
        return process;
    });
}

inline model::Attribution some_attribution(std::size_t holders) {
    model::Attribution who;
    who.provenance = *word(Provenance::unknown);
    if (holders > 0 && *number<bool>())
        who.holder = *rc::gen::inRange<std::uint32_t>(0, static_cast<std::uint32_t>(holders));
    return who;
}

// The opening has a latest bound, as the store gives it one where it has none.
inline rc::Gen<model::Lease> leases(std::int64_t serial,
                                    const std::vector<model::ProcessRef> &known_processes) {
    return rc::gen::exec([serial, known_processes] {
        model::Lease lease;
        lease.serial = serial;
        lease.id.socket = {*number<std::uint64_t>(), *number<std::uint32_t>(),
                           *word(model::SocketKey::Kind::tuple)};
        lease.id.first_observed = *instants();
        lease.protocol = *word(Protocol::udp);
        lease.local = *endpoints();
        lease.peer = *endpoints();
        lease.role = *maybe(word(Role::datagram));
        lease.port_choice = *maybe(word(PortChoice::explicit_));
        if (lease.port_choice == PortChoice::automatic)
            lease.port_chosen_by = *maybe(word(PortChosenBy::send));
        lease.phase = *word(Phase::freed);
        lease.outcome = *maybe(word(Outcome::abandoned));
        lease.opened = *whens();
        if (!lease.opened.latest)
            lease.opened.latest = *instants();
        lease.closed = *maybe(whens());
        lease.freed = *maybe(whens());
        lease.uid = *maybe(number<std::uint32_t>());
        const int holders = *rc::gen::inRange(0, 5);
        for (int i = 0; i < holders; ++i)
            lease.holders.push_back(
                {*rc::gen::elementOf(known_processes), *instants(), *instants(), *number<bool>()});
        lease.holders_omitted = *number<std::uint32_t>();
        lease.opener = some_attribution(lease.holders.size());
        lease.last_holder = some_attribution(lease.holders.size());
        lease.bytes_sent = *maybe(number<std::uint64_t>());
        lease.bytes_received = *maybe(number<std::uint64_t>());
        return lease;
    });
}

} // namespace portd::store::test
