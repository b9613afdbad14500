// The XLA kernels of matrix multiplications and convolutions with packed weights: attributes and
// checks, which are the same of integers and of floats.

#ifndef KERASOPT_TENSORFLOW_XLA_PACKED_H_
#define KERASOPT_TENSORFLOW_XLA_PACKED_H_

#include <vector>

#include "xla_weights.h"
#include "xla_window.h"

namespace kerasopt {

// `Base` is XlaOpKernel, or what derives from it.
template <typename Base>
class XlaPackedMatMul : public Base {
 public:
  XlaPackedMatMul(OpKernelConstruction* context, bool is_half) : Base(context) {
    OP_REQUIRES_OK(context, GetKernelShape(context, 2, &kernel_shape_));
    OP_REQUIRES_OK(context, GetWeightFormat(context, is_half, &format_));
  }

  void Compile(XlaOpKernelContext* context) override {
    const PackedShape shape = {1, 1, kernel_shape_[0], kernel_shape_[1], format_};
    OP_REQUIRES_OK(context, CheckRows(InputShape(context, 0), shape.depth));
    OP_REQUIRES_OK(context, CheckPacked(context, shape));
    OP_REQUIRES_OK(context, CheckSum(shape.depth));
    const xla::XlaOp kernel = xla::Reshape(Unpack(context->Input(1), shape), kernel_shape_);
    context->SetOutput(0, Multiply(context, kernel, shape.columns));
  }

 protected:
  // Error if sums of so many products may leave their range.
  virtual Status CheckSum(int64_t products) const { return absl::OkStatus(); }
  virtual xla::XlaOp Multiply(XlaOpKernelContext* context, xla::XlaOp kernel,
                              int64_t columns) const = 0;

 private:
  std::vector<int64_t> kernel_shape_;
  WeightFormat format_;
};

template <typename Base>
class XlaPackedConv2D : public Base {
 public:
  XlaPackedConv2D(OpKernelConstruction* context, bool is_half) : Base(context) {
    OP_REQUIRES_OK(context, GetKernelShape(context, 4, &kernel_shape_));
    OP_REQUIRES_OK(context, window_.Init(context));
    OP_REQUIRES_OK(context, GetGroups(context, kernel_shape_[3], &groups_));
    OP_REQUIRES_OK(context, GetWeightFormat(context, is_half, &format_));
  }

  void Compile(XlaOpKernelContext* context) override {
    ConvolutionShape image;
    OP_REQUIRES_OK(context,
                   window_.GetShape(context, kernel_shape_, kernel_shape_[2] * groups_, &image));
    const PackedShape shape = PackedConvolution(image, kernel_shape_[3], groups_, format_);
    OP_REQUIRES_OK(context, CheckPacked(context, shape));
    OP_REQUIRES_OK(context, CheckSum(shape.runs * shape.depth));
    const xla::XlaOp kernel = xla::Reshape(Unpack(context->Input(1), shape), kernel_shape_);
    context->SetOutput(0, Convolve(context, image, kernel, kernel_shape_[3], groups_));
  }

 protected:
  virtual Status CheckSum(int64_t products) const { return absl::OkStatus(); }
  virtual xla::XlaOp Convolve(XlaOpKernelContext* context, const ConvolutionShape& image,
                              xla::XlaOp kernel, int64_t filters, int64_t groups) const = 0;

  XlaWindow window_;

 private:
  std::vector<int64_t> kernel_shape_;
  int64_t groups_;
  WeightFormat format_;
};

}  // namespace kerasopt

#endif  // KERASOPT_TENSORFLOW_XLA_PACKED_H_
