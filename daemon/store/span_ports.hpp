// Private to the store: which ports have leases that live for long, so that a search for many ports
// need not ask the index for each of them.
#pragma once

#include "store/lease_span.hpp"
#include "store/part_reader.hpp"

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>

namespace portd::store {

class SpanPorts {
  public:
    using Ports = std::bitset<65536>;

    // Those of the part's leases that are filed under the span, as the part is during this
    // question. Null where that is not worth it: there are very many leases. What it costs to read
    // is taken from the `budget`, and null is the answer if that is not enough.
    const Ports *of(PartReader &part, Span span, std::size_t &budget);

  private:
    struct Key {
        std::uint64_t state;
        Span span;

        auto operator<=>(const Key &) const = default;
    };

    std::map<Key, std::unique_ptr<Ports>> known_;
};

} // namespace portd::store
