#include "capture/process_bytes.hpp"

#include "capture/control_group.hpp"

namespace portd::capture {

void put_process(ByteWriter &writer, const model::Process &process) {
    writer.put(process.key);
    writer.put_text(process.executable);
    writer.put_text(std::string_view(process.command));
    writer.put_text(process.arguments);
    writer.put(process.uid);
    writer.put(process.gid);
    writer.put(process.login_uid);
    writer.put_text(process.control_group);
    writer.put<std::uint64_t>(process.ancestors.size());
    for (const auto &ancestor : process.ancestors) {
        writer.put(ancestor.pid);
        writer.put_text(std::string_view(ancestor.command));
    }
}

model::Process get_process(ByteReader &reader) {
    model::Process process;
    process.key = reader.get<model::ProcessKey>();
    process.executable = reader.get_optional_text();
    process.command = reader.get_text();
    process.arguments = reader.get_optional_text();
    process.uid = reader.get<std::optional<std::uint32_t>>();
    process.gid = reader.get<std::optional<std::uint32_t>>();
    process.login_uid = reader.get<std::optional<std::uint32_t>>();
    process.control_group = reader.get_optional_text();
    for (auto count = reader.get<std::uint64_t>(); count > 0; --count) {
        const auto pid = reader.get<std::int32_t>();
        process.ancestors.push_back({pid, reader.get_text()});
    }
    name_group(process);
    return process;
}

} // namespace portd::capture
