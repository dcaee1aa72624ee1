#include "client/bind_failure_text.hpp"

#include "client/format.hpp"
#include "client/lease_text.hpp"

#include <cstdint>
#include <set>
#include <utility>

namespace portd::client {
namespace {

bool was_let_go(const proto::Lease &lease, std::int64_t at_usec) {
    return lease.closed && bounds_of(*lease.closed).latest.value_or(at_usec) < at_usec;
}

// Known processes other than that of the first lease: a listener's connections are its own.
std::size_t other_processes(const proto::BindFailure &failure) {
    using Key = std::pair<std::optional<std::int64_t>, std::optional<std::int64_t>>;
    const auto key_of = [](const proto::Lease &lease) {
        const proto::Process &process = telling(lease);
        return Key{process.pid, process.start_usec};
    };
    std::set<Key> keys;
    for (const proto::Lease &lease : failure.in_the_way)
        if (telling(lease).pid)
            keys.insert(key_of(lease));
    keys.erase(key_of(failure.in_the_way.front()));
    return keys.size();
}

std::string describe_user_of_port(const proto::BindFailure &failure, Charset charset) {
    const proto::Lease &first = failure.in_the_way.front();
    std::string text = was_let_go(first, failure.at_usec) ? ", left lingering by " : ", in use by ";
    text += format_process(telling(first), charset);
    if (const std::size_t others = other_processes(failure); others > 0)
        text += " (+" + std::to_string(others) + ")";
    return text;
}

std::string describe_refusal(const proto::BindFailure &failure, Charset charset) {
    if (!failure.in_the_way.empty())
        return describe_user_of_port(failure, charset) +
               (failure.error ? "" : ", or for another reason");
    if (failure.incomplete)
        return ", in use, withheld";
    if (failure.error == "EACCES")
        return ", not permitted";
    return failure.error ? ", " + escape_text(*failure.error, charset) : ", refused";
}

} // namespace

std::string format_attempt(const proto::BindFailure &failure, Charset charset) {
    return format_process(failure.process, charset) + describe_refusal(failure, charset);
}

} // namespace portd::client
