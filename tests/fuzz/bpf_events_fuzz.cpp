// A stream of records, as an iterator of the BPF program gives it: every record is decoded or
// refused, and what is decoded lies within it.
#include "capture/bpf_events.hpp"

#include <cstdint>
#include <cstdlib>

using namespace portd::capture;

namespace {

void check(bool condition) {
    if (!condition)
        std::abort();
}

void check_views(const ImageTold &told, std::span<const std::byte> record) {
    const auto *begin = reinterpret_cast<const char *>(record.data());
    for (const auto argument : told.arguments)
        check(argument.empty() || (argument.data() >= begin &&
                                   argument.data() + argument.size() <= begin + record.size()));
    check(told.ancestors.size() <= 4);
}

void check_ports(const portd::model::NamespacePorts &ports) {
    int before = -2; // apart: two ranges that touch are one
    for (const auto &range : ports.reserved) {
        check(range.low > before + 1 && range.low <= range.high);
        before = range.high;
    }
    check(ports.local_range.low <= ports.local_range.high);
    check(ports.automatic_ports() >= 0);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    std::span bytes(reinterpret_cast<const std::byte *>(data), size);
    while (const auto length = record_length(bytes)) {
        check(*length > 0 && *length <= bytes.size());
        const auto record = bytes.first(*length);
        if (const auto event = decode_record(record)) {
            if (const auto *told = std::get_if<ImageTold>(&*event))
                check_views(*told, record);
            if (const auto *told = std::get_if<NamespaceTold>(&*event))
                check_ports(told->ports);
        }
        bytes = bytes.subspan(*length);
    }
    return 0;
}
