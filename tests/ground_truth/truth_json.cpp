#include "truth_log.hpp"

#include <cerrno>
#include <cstdio>
#include <string>

#include <arpa/inet.h>
#include <netinet/in.h>

namespace ground_truth {
namespace {

const char *word(Role role) {
    switch (role) {
    case Role::none:
        return nullptr;
    case Role::client:
        return "client";
    case Role::listener:
        return "listener";
    case Role::accepted:
        return "accepted";
    case Role::datagram:
        return "datagram";
    }
    return nullptr;
}

const char *word(PortChoice choice) {
    switch (choice) {
    case PortChoice::none:
        return nullptr;
    case PortChoice::automatic:
        return "automatic";
    case PortChoice::explicit_:
        return "explicit";
    }
    return nullptr;
}

const char *word(Outcome outcome) {
    switch (outcome) {
    case Outcome::none:
        return nullptr;
    case Outcome::closed:
        return "closed";
    case Outcome::refused:
        return "refused";
    case Outcome::reset:
        return "reset";
    case Outcome::timed_out:
        return "timedOut";
    case Outcome::unreachable:
        return "unreachable";
    case Outcome::abandoned:
        return "abandoned";
    }
    return nullptr;
}

std::string address_text(const Name &name) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (!inet_ntop(name.family, name.address.data(), text.data(), text.size()))
        die("inet_ntop");
    return text.data();
}

// One JSON object under construction; members without a value are left out.
class Object {
  public:
    void add(const char *key, std::string_view value) {
        begin(key);
        text_ += '"';
        for (const char c : value) {
            if (c == '"' || c == '\\')
                text_ += '\\';
            text_ += c;
        }
        text_ += '"';
    }
    void add_word(const char *key, const char *value) {
        if (value)
            add(key, value);
    }
    void add(const char *key, std::uint64_t value) {
        begin(key);
        text_ += std::to_string(value);
    }
    void add_time(const char *key, std::int64_t value) {
        if (value != 0)
            add(key, static_cast<std::uint64_t>(value));
    }
    std::string line() const { return text_ + "}\n"; }

  private:
    void begin(const char *key) {
        text_ += text_.empty() ? "{\"" : ",\"";
        text_ += key;
        text_ += "\":";
    }
    std::string text_;
};

void add_process(Object &object, const std::string &role, const Process &process) {
    if (process.pid == 0)
        return;
    object.add((role + "Pid").c_str(), static_cast<std::uint64_t>(process.pid));
    object.add((role + "Executable").c_str(), executable_of(process));
}

void add_socket(Object &object, const char *scenario, int protocol, std::uint64_t name_space,
                const Name &local) {
    object.add("scenario", scenario);
    object.add("protocol", protocol == IPPROTO_TCP ? "tcp" : "udp");
    object.add("family", local.family == AF_INET ? "ipv4" : "ipv6");
    object.add("networkNamespace", name_space);
    object.add("localAddress", address_text(local));
    object.add("localPort", std::uint64_t{local.port});
}

std::string line(const Lease &lease) {
    Object object;
    add_socket(object, lease.scenario.data(), lease.protocol, lease.network_namespace, lease.local);
    if (lease.peer.port != 0) {
        object.add("peerAddress", address_text(lease.peer));
        object.add("peerPort", std::uint64_t{lease.peer.port});
    }
    object.add_word("role", word(lease.role));
    object.add_word("portChoice", word(lease.choice));
    object.add_word("outcome", word(lease.outcome));
    object.add_time("openedBeforeUsec", lease.opened.before);
    object.add_time("openedAfterUsec", lease.opened.after);
    object.add_time("closedBeforeUsec", lease.closed.before);
    object.add_time("closedAfterUsec", lease.closed.after);
    add_process(object, "opener", lease.opener);
    add_process(object, "lastHolder", lease.last_holder);
    if (lease.protocol == IPPROTO_TCP) {
        object.add("bytesSent", lease.sent);
        object.add("bytesReceived", lease.received);
    }
    return object.line();
}

std::string line(const FailedBind &failed) {
    Object object;
    object.add("event", "failedBind");
    add_socket(object, failed.scenario.data(), failed.protocol, failed.network_namespace,
               failed.wanted);
    object.add("error", failed.error == EADDRINUSE ? "EADDRINUSE" : std::to_string(failed.error));
    object.add_time("beforeUsec", failed.tried.before);
    object.add_time("afterUsec", failed.tried.after);
    add_process(object, "process", failed.process);
    add_process(object, "blocker", failed.blocker);
    return object.line();
}

std::string line(const Process &process) {
    Object object;
    object.add("event", "process");
    add_process(object, "process", process);
    return object.line();
}

std::string line(const SkippedScenario &skipped) {
    Object object;
    object.add("event", "skipped");
    object.add("scenario", skipped.scenario);
    object.add("reason", skipped.reason);
    return object.line();
}

void require_finished(const Lease &lease) {
    const bool times = lease.opened.after != 0 && lease.closed.before != 0 &&
                       lease.closed.after >= lease.closed.before;
    if (times && lease.local.port != 0 && lease.protocol != 0)
        return;
    std::fprintf(stderr, "unfinished: %s", line(lease).c_str());
    errno = EINVAL;
    die(lease.scenario.data());
}

} // namespace

void write_log(const char *path) {
    std::FILE *file = std::fopen(path, "we");
    if (!file)
        die(path);
    const auto write = [&](const std::string &text) {
        if (std::fputs(text.c_str(), file) < 0)
            die(path);
    };
    for (const auto &lease : logged_leases()) {
        require_finished(lease);
        write(line(lease));
    }
    for (const auto &failed : logged_failed_binds())
        write(line(failed));
    for (const auto &process : logged_processes())
        write(line(process));
    for (const auto &skipped : logged_skips())
        write(line(skipped));
    if (std::fclose(file) != 0)
        die(path);
}

} // namespace ground_truth
