// An accelerator without hardware, for torch's PrivateUse1 key: streams are threads, events carry the device's clock.
//
// The device's clock is virtual: what is enqueued begins when it was enqueued or when what is before it has ended, whichever
// is later, and the stream's thread sleeps until its end. So a thread that the machine wakes late does not make the device
// slower. Memory is the host's; whatever has no kernel here waits for the stream and runs on the CPU.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include <ATen/EmptyTensor.h>
#include <ATen/core/Tensor.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/resize_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto KIND = c10::DeviceType::PrivateUse1;
constexpr double PINNED_BYTES_PER_NS = 4.0, PAGEABLE_BYTES_PER_NS = 1.0;

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count();
}

// A piece of work: it is given when it begins and returns when it ends, both on the device's clock.
using Work = std::function<int64_t(int64_t)>;

class Queue {
 public:
  Queue() { std::thread([this] { run(); }).detach(); }

  void add(Work work) {
    std::lock_guard<std::mutex> hold(mutex_);
    jobs_.push_back({now_ns(), std::move(work)});
    ++enqueued_;
    more_.notify_one();
  }

  bool idle() {
    std::lock_guard<std::mutex> hold(mutex_);
    return done_ == enqueued_;
  }

  void wait() {
    std::unique_lock<std::mutex> hold(mutex_);
    const auto until = enqueued_;
    ended_.wait(hold, [&] { return done_ >= until; });
  }

  // Begins and ends of all work that took any time, one after the other.
  std::vector<int64_t> busy() {
    std::lock_guard<std::mutex> hold(mutex_);
    return busy_;
  }

 private:
  struct Job {
    int64_t enqueued_ns;
    Work work;
  };

  void run() {
    int64_t free_ns = 0;
    for (;;) {
      std::unique_lock<std::mutex> hold(mutex_);
      more_.wait(hold, [&] { return !jobs_.empty(); });
      Job job = std::move(jobs_.front());
      jobs_.pop_front();
      hold.unlock();
      const int64_t begin = std::max(job.enqueued_ns, free_ns);
      free_ns = job.work(begin);
      if (free_ns > now_ns()) std::this_thread::sleep_until(Clock::time_point(std::chrono::nanoseconds(free_ns)));
      job.work = nullptr;
      hold.lock();
      if (free_ns > begin) busy_.insert(busy_.end(), {begin, free_ns});
      ++done_;
      ended_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable more_, ended_;
  std::deque<Job> jobs_;
  std::vector<int64_t> busy_;
  uint64_t enqueued_ = 0, done_ = 0;
};

// Streams are never taken apart: their threads may outlive main().
struct Streams {
  std::mutex mutex;
  std::vector<Queue*> queues{new Queue};

  Queue& at(c10::StreamId id) {
    std::lock_guard<std::mutex> hold(mutex);
    return *queues.at(id);
  }

  c10::StreamId make() {
    std::lock_guard<std::mutex> hold(mutex);
    queues.push_back(new Queue);
    return static_cast<c10::StreamId>(queues.size() - 1);
  }
};

Streams& streams() {
  static auto* all = new Streams;
  return *all;
}

std::atomic<bool> initialised{false}, capturing{false};
thread_local c10::StreamId current_stream = 0;

Queue& current() {
  initialised = true;
  return streams().at(current_stream);
}

// What an event was recorded for last, and which of that its stream has come past.
struct Mark {
  std::atomic<int64_t> wanted{0}, passed{0}, at_ns{0};
};
using Event = std::shared_ptr<Mark>;

c10::Device the_device() {
  return {KIND, 0};
}

struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return KIND; }
  c10::Device exchangeDevice(c10::Device) const override { return the_device(); }
  c10::Device getDevice() const override { return the_device(); }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }

  c10::Stream stream(c10::StreamId id) const { return c10::Stream(c10::Stream::UNSAFE, the_device(), id); }
  c10::Stream getStream(c10::Device) const override { return stream(current_stream); }
  c10::Stream getDefaultStream(c10::Device) const override { return stream(0); }
  c10::Stream getStreamFromGlobalPool(c10::Device, bool) const override { return stream(streams().make()); }
  c10::Stream getNewStream(c10::Device, int) const override { return stream(streams().make()); }
  c10::Stream exchangeStream(c10::Stream to) const override { return stream(std::exchange(current_stream, to.id())); }
  bool queryStream(const c10::Stream& of) const override { return streams().at(of.id()).idle(); }
  void synchronizeStream(const c10::Stream& of) const override { streams().at(of.id()).wait(); }
  bool isStreamCapturing(const c10::Stream&) const override { return capturing; }

  void synchronizeDevice(c10::DeviceIndex) const override {
    for (size_t id = 0; id < streams().queues.size(); ++id) streams().at(static_cast<c10::StreamId>(id)).wait();
  }

  void record(void** event, const c10::Stream& of, c10::DeviceIndex, c10::EventFlag) const override {
    TORCH_CHECK(!capturing, "an event was recorded while a graph is captured");
    if (!*event) *event = new Event(std::make_shared<Mark>());
    Event mark = *static_cast<Event*>(*event);
    const int64_t number = ++mark->wanted;
    streams().at(of.id()).add([mark, number](int64_t begin) {
      mark->at_ns = begin;
      mark->passed = number;
      return begin;
    });
  }

  void block(void* event, const c10::Stream& of) const override {
    if (!event) return;
    Event mark = *static_cast<Event*>(event);
    const int64_t number = mark->wanted;
    streams().at(of.id()).add([mark, number](int64_t begin) {
      while (mark->passed < number) std::this_thread::sleep_for(std::chrono::microseconds(20));
      return std::max<int64_t>(begin, mark->at_ns);
    });
  }

  bool queryEvent(void* event) const override {
    TORCH_CHECK(!capturing, "an event was queried while a graph is captured");
    if (!event) return true;
    auto& mark = **static_cast<Event*>(event);
    return mark.passed == mark.wanted;
  }

  void synchronizeEvent(void* event) const override {
    while (!queryEvent(event)) std::this_thread::sleep_for(std::chrono::microseconds(20));
  }

  double elapsedTime(void* first, void* second, c10::DeviceIndex) const override {
    TORCH_CHECK(first && second && queryEvent(first) && queryEvent(second), "device not ready");
    return static_cast<double>((*static_cast<Event*>(second))->at_ns - (*static_cast<Event*>(first))->at_ns) / 1e6;
  }

  void destroyEvent(void* event, c10::DeviceIndex) const noexcept override { delete static_cast<Event*>(event); }
};

// Memory of the host: the device's, and pinned memory, which is known by its address.
struct Memory : c10::Allocator {
  explicit Memory(c10::Device of) : device(of) {}
  static void release(void* data) { std::free(data); }
  c10::DataPtr allocate(size_t size) override {
    void* data = size ? std::malloc(size) : nullptr;
    return {data, data, &release, device};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t size) const override { default_copy_data(to, from, size); }
  c10::Device device;
};

struct Pinned final : Memory {
  Pinned() : Memory(c10::Device(c10::DeviceType::CPU)) {}
  static std::mutex& mutex() {
    static auto* one = new std::mutex;
    return *one;
  }
  static std::set<const void*>& pinned() {
    static auto* all = new std::set<const void*>;
    return *all;
  }
  static void unpin(void* data) {
    std::lock_guard<std::mutex> hold(mutex());
    pinned().erase(data);
    std::free(data);
  }
  c10::DataPtr allocate(size_t size) override {
    void* data = std::malloc(size ? size : 1);
    std::lock_guard<std::mutex> hold(mutex());
    pinned().insert(data);
    return {data, data, &unpin, device};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &unpin; }
};

Memory device_memory(the_device());
Pinned pinned_memory;

struct Hooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return initialised; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  c10::DeviceIndex getCurrentDevice() const override { return 0; }
  void setCurrentDevice(c10::DeviceIndex) const override {}
  c10::DeviceIndex exchangeDevice(c10::DeviceIndex) const override { return 0; }
  c10::DeviceIndex maybeExchangeDevice(c10::DeviceIndex) const override { return 0; }
  c10::Allocator* getPinnedMemoryAllocator() const override { return &pinned_memory; }
  bool isPinnedPtr(const void* data) const override {
    std::lock_guard<std::mutex> hold(Pinned::mutex());
    return Pinned::pinned().count(data) > 0;
  }
};

bool is_pinned(const at::Tensor& tensor) {
  return at::detail::getPrivateUse1Hooks().isPinnedPtr(tensor.storage().data());
}

// The same memory as a tensor of the CPU's.
at::Tensor on_cpu(const at::Tensor& tensor) {
  return at::from_blob(tensor.data_ptr(), tensor.sizes(), tensor.strides(),
                       [tensor](void*) {}, tensor.options().device(c10::DeviceType::CPU));
}

at::Tensor empty(c10::IntArrayRef size, std::optional<c10::ScalarType> type, std::optional<c10::Layout>,
                 std::optional<c10::Device>, std::optional<bool>, std::optional<c10::MemoryFormat> format) {
  initialised = true;
  return at::detail::empty_generic(size, &device_memory, c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                   c10::dtype_or_default(type), format);
}

at::Tensor empty_strided(c10::IntArrayRef size, c10::IntArrayRef stride, std::optional<c10::ScalarType> type,
                         std::optional<c10::Layout>, std::optional<c10::Device>, std::optional<bool>) {
  initialised = true;
  return at::detail::empty_strided_generic(size, stride, &device_memory,
                                           c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), c10::dtype_or_default(type));
}

at::Tensor view(const at::Tensor& self, c10::IntArrayRef size) {
  return at::native::view(self, size);
}

at::Tensor as_strided(const at::Tensor& self, c10::IntArrayRef size, c10::IntArrayRef stride, std::optional<int64_t> offset) {
  return at::native::as_strided_tensorimpl(self, size, stride, offset);
}

const at::Tensor& resize(const at::Tensor& self, c10::IntArrayRef size, std::optional<c10::MemoryFormat> format) {
  current().wait();
  return at::native::resize_(self, size, format);
}

// A copy to or from memory that is not pinned keeps the host until it is done, as the driver's staging does.
at::Tensor copy_from(const at::Tensor& self, const at::Tensor& dst, bool non_blocking) {
  const bool crosses = self.device().type() != dst.device().type();
  const auto& host = self.is_cpu() ? self : dst;
  const bool pinned = !crosses || is_pinned(host);
  const auto took = static_cast<int64_t>(static_cast<double>(self.nbytes()) / (pinned ? PINNED_BYTES_PER_NS : PAGEABLE_BYTES_PER_NS));
  auto from = on_cpu(self), to = on_cpu(dst);
  current().add([from, to, took](int64_t begin) mutable {
    at::NoGradGuard none;
    to.copy_(from);
    return begin + took;
  });
  if (crosses && !(non_blocking && pinned)) current().wait();
  return dst;
}

at::Tensor copy_from_and_resize(const at::Tensor& self, const at::Tensor& dst) {
  dst.resize_(self.sizes());
  return copy_from(self, dst, false);
}

at::Scalar local_scalar_dense(const at::Tensor& self) {
  current().wait();
  return on_cpu(self).item();
}

at::Tensor& fill(at::Tensor& self, const at::Scalar& value) {
  current().add([mine = on_cpu(self), value](int64_t begin) mutable {
    at::NoGradGuard none;
    mine.fill_(value);
    return begin;
  });
  return self;
}

at::Tensor& zero(at::Tensor& self) {
  return fill(self, 0);
}

at::Tensor& add(at::Tensor& self, const at::Tensor& other, const at::Scalar& alpha) {
  current().add([mine = on_cpu(self), theirs = on_cpu(other), alpha](int64_t begin) mutable {
    at::NoGradGuard none;
    mine.add_(theirs, alpha);
    return begin;
  });
  return self;
}

// A kernel that takes so long, and gives a tensor of ones.
at::Tensor work(const at::Tensor& self, int64_t microseconds) {
  auto out = empty(self.sizes(), self.scalar_type(), {}, {}, {}, {});
  current().add([mine = on_cpu(out), self, microseconds](int64_t begin) mutable {
    at::NoGradGuard none;
    mine.fill_(1);
    return begin + 1000 * microseconds;
  });
  return out;
}

void on_the_cpu(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  current().wait();
  at::native::cpu_fallback(op, stack);
}

Hooks hooks;
const int registered = [] {
  c10::SetAllocator(KIND, &device_memory);
  at::RegisterPrivateUse1HooksInterface(&hooks);
  return 0;
}();

C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard);

TORCH_LIBRARY(fakegpu, m) {
  m.def("work(Tensor x, int microseconds) -> Tensor");
  m.def("busy() -> int[]", [] { return streams().at(0).busy(); });
  m.def("is_initialized() -> bool", [] { return initialised.load(); });
  m.def("capture(bool on) -> ()", [](bool on) { capturing = on; });
}

TORCH_LIBRARY_IMPL(fakegpu, PrivateUse1, m) {
  m.impl("work", work);
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, m) {
  m.fallback(torch::CppFunction::makeFromBoxedFunction<&on_the_cpu>());
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("empty.memory_format", empty);
  m.impl("empty_strided", empty_strided);
  m.impl("view", view);
  m.impl("as_strided", as_strided);
  m.impl("resize_", resize);
  m.impl("_copy_from", copy_from);
  m.impl("_copy_from_and_resize", copy_from_and_resize);
  m.impl("_local_scalar_dense", local_scalar_dense);
  m.impl("fill_.Scalar", fill);
  m.impl("zero_", zero);
  m.impl("add_.Tensor", add);
}

}  // namespace
