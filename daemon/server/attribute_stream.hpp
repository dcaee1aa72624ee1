// The replies to Attribute: now and then how far it has come, and a last one with all flows.
#pragma once

#include "access.hpp"
#include "flow_end.hpp"
#include "model/history.hpp"
#include "progress.hpp"
#include "stream.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

namespace portd::server {

struct AttributeQuestion {
    // Of each flow: its source and its destination, as far as their ports are told.
    std::vector<std::array<std::optional<SoughtEnd>, 2>> flows;
    std::set<std::size_t> half_told; // flows of which an end has an address, but no port
    std::vector<model::AddressRange> local_addresses;
    std::optional<std::int64_t> network_namespace;
    std::function<bool(std::uint16_t port)> records; // of which ports leases are kept
};

// Or the parameter that cannot be used.
std::variant<AttributeQuestion, proto::InvalidField>
question_of(const proto::AttributeRequest &request);

class AttributeStream final : public Stream {
  public:
    AttributeStream(AttributeQuestion question, const Caller &caller, std::int64_t now_us);

    std::string next(model::History &history, std::int64_t now_us) override;
    bool finished() const override { return is_over_; }

  private:
    bool look(model::History &history);
    std::string tell(model::History &history);
    proto::FlowAttribution attribution(std::size_t flow, const proto::Coverage &watched,
                                       ProcessTable &processes) const;
    proto::EndAttribution nobody(const SoughtEnd &end, const proto::Coverage &watched) const;
    EveryConnection connections_of(const SoughtEnd &end, const proto::Coverage &watched) const;
    bool is_to_come(std::size_t flow) const;

    AttributeQuestion question_;
    Caller caller_;
    std::vector<model::FlowEnd> ends_;
    std::vector<const SoughtEnd *> sought_;           // of each of the ends
    std::vector<std::array<std::size_t, 2>> ends_of_; // of each flow
    std::vector<EndFinding> findings_;
    std::optional<model::FlowPlace> place_;
    std::int64_t latest_us_ = 0; // that the clock has shown
    Progress progress_;
    bool is_over_ = false;
};

} // namespace portd::server
