#include "capture/tiers.hpp"

#include "capture/ebpf_source.hpp"
#include "capture/procfs_source.hpp"
#include "capture/sock_diag_source.hpp"

#include <stdexcept>
#include <utility>

namespace portd::capture {
namespace {

std::unique_ptr<Source> open_ebpf(Request &request, const model::Clock &clock,
                                  std::optional<std::string> &not_kept) {
    const auto open = [&](Kept kept) {
        return std::make_unique<EbpfSource>(request.ports, request.records, request.arguments,
                                            request.ring_bytes, std::move(kept), clock);
    };
    std::unique_ptr<EbpfSource> source;
    try {
        source = open(std::move(request.kept));
        not_kept = source->not_kept();
    } catch (const TruncatedBytes &error) {
        source = open({});
        not_kept = std::string("its journal makes no sense: ") + error.what();
    }
    return source;
}

std::unique_ptr<Source> open_tier(CaptureTier tier, Request &request, const model::Clock &clock,
                                  std::optional<std::string> &not_kept) {
    switch (tier) {
    case CaptureTier::ebpf:
        return open_ebpf(request, clock, not_kept);
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

Opened open_best(Request request, const model::Clock &clock) {
    Opened opened;
    if (!request.kept.descriptors.empty())
        opened.not_kept = "another tier was capturing"; // unless it is the same
    if (request.tier) {
        opened.source = open_tier(*request.tier, request, clock, opened.not_kept);
        return opened;
    }
    for (const auto tier : {CaptureTier::ebpf, CaptureTier::sock_diag, CaptureTier::procfs}) {
        try {
            opened.source = open_tier(tier, request, clock, opened.not_kept);
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
