#include "client/lease_block.hpp"

#include "client/bind_failure_text.hpp"
#include "client/format.hpp"
#include "client/lease_text.hpp"

#include <string>

namespace portd::client {
namespace {

template <typename Socket>
std::string format_namespace(const Socket &socket, Charset charset) {
    const std::string inode = std::to_string(socket.network_namespace);
    return socket.network_namespace_name
               ? escape_text(*socket.network_namespace_name, charset) + " (" + inode + ")"
               : inode;
}

// "alice (1000)", "1000", or nothing.
std::string format_owner(const std::optional<std::string> &user,
                         const std::optional<std::int64_t> &uid, Charset charset) {
    const std::string number = uid ? std::to_string(*uid) : "";
    if (!user)
        return number;
    return escape_text(*user, charset) + (uid ? " (" + number + ")" : "");
}

void add_text(const char *name, const std::optional<std::string> &text, Charset charset,
              Fields &fields) {
    if (text)
        fields.more(name + escape_text(*text, charset));
}

void add_process(const char *name, const proto::Process &process, Charset charset, Fields &fields) {
    std::string text = format_process(process, charset);
    if (process.start_usec)
        text += ", started " + format_instant_in_zone(*process.start_usec);
    if (is_known(process))
        text += ", " + std::string(portd::to_string(process.provenance));
    fields.add(name, text);
    add_text("program ", process.executable, charset, fields);
    add_text("arguments ", process.arguments, charset, fields);
    if (const auto user = format_owner(process.user, process.uid, charset); !user.empty())
        fields.more(
            "user " + user + (process.gid ? ", group " + std::to_string(*process.gid) : "") +
            (process.login_uid ? ", logged in as " + std::to_string(*process.login_uid) : ""));
    add_text("unit ", process.unit, charset, fields);
    add_text("container ", process.container, charset, fields);
    add_text("control group ", process.control_group, charset, fields);
    std::string ancestors;
    for (const proto::Ancestor &ancestor : process.ancestors)
        ancestors += (ancestors.empty() ? "" : ", ") + escape_text(ancestor.command, charset) +
                     "[" + std::to_string(ancestor.pid) + "]";
    if (!ancestors.empty())
        fields.more("child of " + ancestors);
}

void add_moment(const char *name, const std::optional<proto::Moment> &moment, Fields &fields) {
    if (moment)
        fields.add(name, format_bounds(*moment) + ", " +
                             std::string(portd::to_string(moment->provenance)));
}

void add_times(const LeaseForm &form, const proto::Lease &lease, Fields &fields) {
    if (lease.incomplete && lease.opened.provenance == Provenance::unknown) {
        fields.add("Opened", "withheld");
        return;
    }
    add_moment("Opened", lease.opened, fields);
    add_moment("Closed", lease.closed, fields);
    add_moment("Freed", lease.freed, fields);
    fields.add("Duration", format_duration(form, lease) + (ended(lease) ? "" : ", and it is open"));
    if (form.at_usec)
        fields.add("Then", std::string(to_string(standing_at(lease, *form.at_usec))));
}

const char *system_call(PortChosenBy call) {
    switch (call) {
    case PortChosenBy::bind:
        return "bind(2)";
    case PortChosenBy::listen:
        return "listen(2)";
    case PortChosenBy::connect:
        return "connect(2)";
    case PortChosenBy::send:
        return "sendto(2)";
    }
    return "";
}

void add_use(const proto::Lease &lease, Charset charset, Fields &fields) {
    std::string use = lease.role ? std::string(portd::to_string(*lease.role)) : "role unknown";
    if (lease.port_choice)
        use += *lease.port_choice == PortChoice::automatic ? ", port chosen by the kernel"
                                                           : ", port chosen by the program";
    if (lease.port_chosen_by)
        use += std::string(" (") + system_call(*lease.port_chosen_by) + ")";
    fields.add("Role", use);
    fields.add(
        "Phase",
        std::string(portd::to_string(lease.phase)) +
            (lease.outcome ? ", outcome " + std::string(portd::to_string(*lease.outcome)) : ""));
    if (lease.bytes_sent || lease.bytes_received)
        fields.add("Payload",
                   (lease.bytes_sent ? format_bytes(*lease.bytes_sent) : "unknown") + " sent, " +
                       (lease.bytes_received ? format_bytes(*lease.bytes_received) : "unknown") +
                       " received");
    if (const auto owner = format_owner(lease.user, lease.uid, charset); !owner.empty())
        fields.add("Owner", owner);
}

void add_holders(const proto::Lease &lease, Charset charset, Fields &fields) {
    if (lease.incomplete && !is_known(lease.opener)) {
        fields.add("Opener", "withheld");
        return;
    }
    add_process("Opener", lease.opener, charset, fields);
    if (changed_hands(lease))
        add_process("Last holder", lease.last_holder, charset, fields);
    std::string all;
    for (const proto::Process &holder : lease.holders)
        all += (all.empty() ? "" : ", ") + format_process(holder, charset);
    if (lease.holders.size() > 1)
        fields.add("All holders", all);
}

} // namespace

Fields block_of(const LeaseForm &form, const proto::Lease &lease) {
    const Charset charset = form.charset;
    Fields fields;
    std::string socket = std::string(portd::to_string(lease.protocol)) + " " +
                         format_endpoint(lease.local_address, lease.local_port, charset);
    if (const std::string peer = format_peer(lease, charset); !peer.empty())
        socket += ", peer " + peer;
    fields.add("Lease", socket);
    add_times(form, lease, fields);
    add_use(lease, charset, fields);
    add_holders(lease, charset, fields);
    fields.add("Namespace", format_namespace(lease, charset));
    if (lease.cookie)
        fields.add("Cookie", escape_text(*lease.cookie, charset));
    fields.add("Boot", escape_text(lease.boot_id, charset));
    fields.add("Id", escape_text(lease.id, charset));
    return fields;
}

Fields block_of(const LeaseForm &form, const proto::BindFailure &failure) {
    const Charset charset = form.charset;
    Fields fields;
    fields.add("Bind failure",
               std::string(portd::to_string(failure.protocol)) + " " +
                   format_endpoint(failure.local_address, failure.local_port, charset));
    fields.add("At", format_instant(failure.at_usec, Digits::microseconds));
    fields.add("Refused", format_attempt(failure, charset));
    fields.add("Error", failure.error ? escape_text(*failure.error, charset) + ", " +
                                            std::string(portd::to_string(failure.error_provenance))
                                      : "unknown");
    for (std::size_t i = 0; i < failure.in_the_way.size(); ++i) {
        const std::string text = describe_lease(failure.in_the_way[i], charset);
        i == 0 ? fields.add("In the way", text) : fields.more(text);
    }
    add_process("Process", failure.process, charset, fields);
    if (const auto owner = format_owner(failure.user, failure.uid, charset); !owner.empty())
        fields.add("Owner", owner);
    fields.add("Namespace", format_namespace(failure, charset));
    fields.add("Boot", escape_text(failure.boot_id, charset));
    return fields;
}

} // namespace portd::client
