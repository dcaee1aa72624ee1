#include "capture/tiers.hpp"

#include "capture/ebpf_source.hpp"
#include "capture/procfs_source.hpp"
#include "capture/sock_diag_source.hpp"

#include <stdexcept>

namespace portd::capture {
namespace {

std::unique_ptr<Source> open_tier(CaptureTier tier, const Request &request,
                                  const model::Clock &clock) {
    switch (tier) {
    case CaptureTier::ebpf:
        return std::make_unique<EbpfSource>(request.ports, request.records, request.arguments,
                                            request.ring_bytes, clock);
    case CaptureTier::sock_diag:
        return std::make_unique<SockDiagSource>(request.records, Attribution(request.arguments),
                                                clock);
    case CaptureTier::procfs:
        return std::make_unique<ProcfsSource>(request.records, Attribution(request.arguments),
                                              clock);
    }
    throw std::logic_error("no such capture tier");
}

} // namespace

Opened open_best(const Request &request, const model::Clock &clock) {
    if (request.tier)
        return {open_tier(*request.tier, request, clock), {}};
    Opened opened;
    for (const auto tier : {CaptureTier::ebpf, CaptureTier::sock_diag, CaptureTier::procfs}) {
        try {
            opened.source = open_tier(tier, request, clock);
            return opened;
        } catch (const std::runtime_error &error) { // std::system_error is one
            opened.reasons.push_back("not " + std::string(to_string(tier)) + ": " + error.what());
        }
    }
    std::string all = "no capture tier works here";
    for (const auto &reason : opened.reasons)
        all += "; " + reason;
    throw std::runtime_error(all);
}

} // namespace portd::capture
